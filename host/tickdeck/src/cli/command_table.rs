//! The macro behind a table of commands.

/// Defines an enum of commands, and a method `run` that carries out the one that was parsed. A row names the command's
/// type, with attributes for clap where it needs any, and in parentheses what its own `run` takes besides itself.
macro_rules! command_table {
    (
        $(#[$of_enum:meta])*
        $visible:vis enum $name:ident {
            $($(#[$attribute:meta])* $module:ident::$command:ident ($($argument:expr)?),)*
        }
    ) => {
        $(#[$of_enum])*
        #[derive(Debug, clap::Subcommand)]
        $visible enum $name {
            $($(#[$attribute])* $command($module::$command),)*
        }

        impl $name {
            $visible fn run(self) -> anyhow::Result<std::process::ExitCode> {
                match self {
                    $(Self::$command(command) => command.run($($argument)?),)*
                }
            }
        }
    };
}

pub(crate) use command_table;
