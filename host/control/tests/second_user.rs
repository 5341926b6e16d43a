//! Tests that another user of the machine cannot control a host. This takes two users, and so root and `setpriv`; elsewhere
//! the test reports that it was skipped, and only the pure tests of the rules remain.
#![cfg(target_os = "linux")]

use std::fs::{Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tickdeck_control::{Answer, Client, Handler, Request, Server};

/// Passes the socket to the child process of the test.
const SOCKET: &str = "TICKDECK_TEST_SOCKET";
/// A user that owns nothing.
const NOBODY: &str = "65534";

#[derive(Default)]
struct Witness(AtomicBool);

impl Handler for Witness {
    fn handle(&self, _: Request) -> Answer {
        self.0.store(true, Ordering::SeqCst);
        Answer::done("killed")
    }
}

/// The other user's side: asks for a kill and prints the outcome.
fn ask_for_a_kill(path: &Path) {
    // Without the client's own check of the host's user, as a hostile program would.
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => println!("outcome: kept out"),
        Err(error) => println!("outcome: {error}"),
        Ok(mut stream) => {
            use std::io::{Read, Write};
            let request = b"{\"protocol\":1,\"request\":{\"command\":\"kill\"}}\n";
            drop(stream.write_all(request));
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer));
            println!("outcome: {}", answer.trim_end());
        }
    }
    if let Err(error) = Client::connect(path) {
        println!("client: {error}");
    }
}

fn as_nobody(program: &Path, socket: &Path) -> String {
    let output = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(program)
        .args([
            "--exact",
            "--nocapture",
            "another_user_can_neither_reach_the_socket_nor_control_the_host",
        ])
        .env(SOCKET, socket)
        .current_dir("/")
        .output()
        .expect("setpriv was found");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("the child prints text")
}

#[test]
fn another_user_can_neither_reach_the_socket_nor_control_the_host() {
    // The test starts itself again, as the other user.
    if let Some(path) = std::env::var_os(SOCKET) {
        return ask_for_a_kill(Path::new(&path));
    }
    let has_setpriv = Command::new("setpriv").arg("--version").output().is_ok();
    if !rustix::process::geteuid().is_root() || !has_setpriv {
        eprintln!("skipped: needs root and setpriv to be a second user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    open(folder.path(), 0o755);
    // The build folder may be accessible to root only.
    let program = folder.path().join("second_user");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let socket = folder.path().join("tickdeck-0").join("deck.sock");
    let witness = Arc::new(Witness::default());
    let handler: Arc<dyn Handler> = Arc::clone(&witness) as _;
    let server = Server::open(&socket, handler).unwrap();

    let by_folder = as_nobody(&program, &socket);
    open(socket.parent().unwrap(), 0o755);
    let by_socket = as_nobody(&program, &socket);
    open(&socket, 0o666);
    let by_credentials = as_nobody(&program, &socket);

    for kept_out in [&by_folder, &by_socket] {
        assert!(kept_out.contains("outcome: kept out"), "{kept_out}");
        assert!(kept_out.contains("may not control the host"), "{kept_out}");
    }
    assert!(
        by_credentials.contains("only the user who runs the host may control it"),
        "{by_credentials}"
    );
    assert!(
        by_credentials.contains("may not control the host"),
        "{by_credentials}"
    );
    assert!(!witness.0.load(Ordering::SeqCst), "the handler was asked");
    drop(server);
}
