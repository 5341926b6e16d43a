//! `export!` turns a strategy into a component.

/// Exports a strategy as the component of its crate: `tickdeck_sdk::export!(EmaCross);`, once per crate.
///
/// The strategy takes its name, version and description from `Cargo.toml`, where `[lib]` needs
/// `crate-type = ["cdylib", "rlib"]`. In a native build the macro only implements [`Exported`](crate::Exported), so that
/// tests and programs can link the crate.
#[macro_export]
macro_rules! export {
    ($strategy:ident) => {
        impl $crate::Exported for $strategy {
            const IDENTITY: $crate::Identity = $crate::Identity {
                name: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                doc: ::core::env!("CARGO_PKG_DESCRIPTION"),
            };
        }

        #[cfg(target_arch = "wasm32")]
        #[doc(hidden)]
        mod tickdeck_component {
            use super::$strategy;
            use $crate::raw::{Instance, Outcome, Runner};

            ::std::thread_local! {
                static RUNNER: ::core::cell::RefCell<Option<Runner<$strategy>>> =
                    const { ::core::cell::RefCell::new(None) };
            }

            struct Component;

            impl Instance for Component {
                type Strategy = $strategy;
                const IDENTITY: $crate::Identity = <$strategy as $crate::Exported>::IDENTITY;

                fn with<R>(f: impl FnOnce(&mut Option<Runner<$strategy>>) -> R) -> R {
                    RUNNER.with_borrow_mut(f)
                }
            }

            $crate::raw::export_lifecycle!(Component with_types_in $crate::generated);
            $crate::export_hot!(Component);
        }
    };
}

/// Exports the hot function of world `strategy`.
#[cfg(not(feature = "bytes"))]
#[doc(hidden)]
#[macro_export]
macro_rules! export_hot {
    ($component:ident) => {
        #[unsafe(export_name = "tickdeck:strategy/hot@0.1.0#on-events")]
        unsafe extern "C" fn on_events(ptr: *mut $crate::Event, len: usize) -> *const Outcome {
            // SAFETY: only the host calls this, as the canonical ABI requires.
            unsafe { $crate::raw::on_events::<$component>(ptr, len) }
        }
    };
}

/// Exports the hot function of world `strategy-bytes`.
#[cfg(feature = "bytes")]
#[doc(hidden)]
#[macro_export]
macro_rules! export_hot {
    ($component:ident) => {
        #[unsafe(export_name = "tickdeck:strategy/hot-bytes@0.1.0#on-events")]
        unsafe extern "C" fn on_events(ptr: *mut u8, len: usize) -> *const Outcome {
            // SAFETY: only the host calls this, as the canonical ABI requires.
            unsafe { $crate::raw::on_event_bytes::<$component>(ptr, len) }
        }
    };
}

/// A strategy that [`export!`](crate::export) exports from its crate.
pub trait Exported: crate::Strategy {
    /// Name, version and description, from the crate's `Cargo.toml`.
    const IDENTITY: crate::Identity;

    /// Returns the strategy's manifest.
    fn manifest() -> crate::Manifest {
        crate::Manifest::of::<Self>(Self::IDENTITY)
    }
}
