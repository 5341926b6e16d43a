//! Server and client over real sockets, with a handler of canned answers.

use super::*;
use crate::{Client, ControlError};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tempfile::TempDir;

/// Longer than any test takes, so that it never expires in one.
const PATIENT: Duration = Duration::from_secs(600);
/// A short time limit.
const IMPATIENT: Duration = Duration::from_millis(20);

/// Answers with the request; panics on `reload`, refuses `remove`, and answers `approve` with 2 MiB.
struct Echo;

impl Handler for Echo {
    fn handle(&self, request: Request) -> Answer {
        match request {
            Request::Reload { .. } => panic!("a test asked for it"),
            Request::Remove { name } => Answer::refused(format!("no strategy is named `{name}`")),
            Request::Approve { .. } => Answer::done("x".repeat(2 * MAX_LINE)),
            request => Answer::done(format!("{request:?}")),
        }
    }
}

/// Reports that it was called, and then waits for permission to answer.
struct Slow {
    called: SyncSender<()>,
    leave: Mutex<Receiver<()>>,
}

impl Slow {
    fn new() -> (Arc<Self>, Receiver<()>, SyncSender<()>) {
        let (called, is_called) = sync_channel(MAX_CONNECTIONS);
        let (give_leave, leave) = sync_channel(MAX_CONNECTIONS);
        let leave = Mutex::new(leave);
        (Arc::new(Self { called, leave }), is_called, give_leave)
    }
}

impl Handler for Slow {
    fn handle(&self, _: Request) -> Answer {
        self.called.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        Answer::done("at last")
    }
}

/// Answers, and then reports two facts, the second of which did not come true.
struct Reporting;

impl Handler for Reporting {
    fn handle(&self, _: Request) -> Answer {
        Answer::done("killed")
    }

    fn follow(&self, request: Request, send: &mut dyn FnMut(Answer)) {
        send(self.handle(request));
        send(Answer::done("on the disk"));
        send(Answer::refused("one order is left"));
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickdeck-0").join("deck.sock");
    (folder, path)
}

fn open(path: &Path) -> Server {
    Server::open_with(path, Arc::new(Echo), PATIENT).unwrap()
}

fn ask(path: &Path, request: &Request) -> Answer {
    Client::connect(path).unwrap().ask(request).unwrap()
}

fn pause() -> Request {
    let name = Some("ema-cross".to_owned());
    Request::Pause { name }
}

/// Reads the refusal on a connection, which ends after it.
fn refusal(mut stream: &UnixStream) -> String {
    let mut line = Vec::new();
    // A server that closes with unread bytes resets the connection, after its answer.
    drop(stream.read_to_end(&mut line));
    let text = String::from_utf8(line).unwrap();
    let mut lines = text.lines();
    let (first, last) = (lines.next().unwrap(), lines.next());
    // Nothing follows a refusal.
    assert_eq!(last, Some(r#"{"protocol":1,"answer":"complete"}"#));
    assert_eq!(lines.next(), None);
    match crate::protocol::read_answer(first.as_bytes()) {
        Ok(Answer::Refused { message }) => message,
        answer => panic!("{answer:?}"),
    }
}

/// Returns the server's answer to bytes that are not a request; `end` closes the sending side.
fn answer_to(path: &Path, bytes: &[u8], end: bool) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    // The server need not read it all.
    drop(stream.write_all(bytes));
    if end {
        drop(stream.shutdown(std::net::Shutdown::Write));
    }
    refusal(&stream)
}

#[test]
fn a_request_is_answered_by_the_handler_and_so_is_the_next_one() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let asked = ask(&path, &pause());
    assert_eq!(asked, Answer::done(r#"Pause { name: Some("ema-cross") }"#));
    let refused = ask(
        &path,
        &Request::Remove {
            name: "x".to_owned(),
        },
    );
    assert_eq!(refused, Answer::refused("no strategy is named `x`"));
}

#[test]
fn facts_follow_an_answer_for_those_who_listen() {
    let (_folder, path) = folder();
    let _server = Server::open_with(&path, Arc::new(Reporting), PATIENT).unwrap();
    let mut heard = Vec::new();
    let client = Client::connect(&path).unwrap();
    client
        .follow(&Request::Kill, |answer| heard.push(answer))
        .unwrap();
    let expected = [
        Answer::done("killed"),
        Answer::done("on the disk"),
        Answer::refused("one order is left"),
    ];
    assert_eq!(heard, expected);
    // A client that does not follow still gets the answer.
    assert_eq!(ask(&path, &Request::Kill), Answer::done("killed"));
}

/// Answers, reports one fact, and then fails.
struct Failing;

impl Handler for Failing {
    fn handle(&self, _: Request) -> Answer {
        Answer::done("killed")
    }

    fn follow(&self, request: Request, send: &mut dyn FnMut(Answer)) {
        send(self.handle(request));
        panic!("a test asked for it");
    }
}

#[test]
fn a_host_that_ends_before_it_told_every_fact_is_an_error() {
    let (_folder, path) = folder();
    let _server = Server::open_with(&path, Arc::new(Failing), PATIENT).unwrap();
    let mut heard = Vec::new();
    let client = Client::connect(&path).unwrap();
    let followed = client.follow(&Request::Kill, |answer| heard.push(answer));
    assert!(
        matches!(followed, Err(ControlError::Unfinished)),
        "{followed:?}"
    );
    assert_eq!(heard[0], Answer::done("killed"));
}

#[test]
fn folder_and_socket_are_accessible_to_their_owner_only() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn a_folder_that_others_can_use_is_refused() {
    let own = 1_000;
    assert_eq!(folder_problem(true, own, 0o40700, own), None);
    assert_eq!(folder_problem(true, own, 0o40755, own), None);
    for (is_folder, owner, mode) in [
        (false, own, 0o120777),
        (true, 1_001, 0o40700),
        (true, 0, 0o40700),
        (true, own, 0o40720),
        (true, own, 0o41777),
    ] {
        let problem = folder_problem(is_folder, owner, mode, own);
        assert!(problem.is_some(), "{is_folder} {owner} {mode:o}");
    }

    let (folder, path) = folder();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    symlink(folder.path().join("other"), path.parent().unwrap()).unwrap();
    let error = Server::open(&path, Arc::new(Echo)).unwrap_err();
    assert!(error.to_string().contains("it is not a folder"), "{error}");
    std::fs::remove_file(path.parent().unwrap()).unwrap();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    let error = Server::open(&path, Arc::new(Echo)).unwrap_err();
    assert!(error.to_string().contains("others may write"), "{error}");
}

#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let (_folder, path) = folder();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let stale = Client::connect(&path).unwrap_err();
    assert!(matches!(stale, ControlError::NobodyListens), "{stale}");
    let _server = open(&path);
    ask(&path, &Request::Status);
}

#[test]
fn a_second_host_is_refused_with_the_process_id_of_the_first() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let error = Server::open(&path, Arc::new(Echo)).unwrap_err();
    let holder = format!(
        "another host listens for this deck, process {}",
        std::process::id()
    );
    assert!(error.to_string().starts_with(&holder), "{error}");
    ask(&path, &Request::Status);
}

#[test]
fn a_file_that_is_not_a_socket_is_left_alone() {
    let (_folder, path) = folder();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "precious").unwrap();
    let error = Server::open(&path, Arc::new(Echo)).unwrap_err();
    assert!(matches!(error, ControlError::InTheWay { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_dropped_server_removes_its_socket_and_refuses_clients_that_have_not_asked() {
    let (_folder, path) = folder();
    let server = open(&path);
    let silent = UnixStream::connect(&path).unwrap();
    // Answered, so the silent one before it was accepted too.
    ask(&path, &Request::Status);
    drop(server);
    assert_eq!(refusal(&silent), "the host is shutting down");
    assert!(!path.exists());
    let error = Client::connect(&path).unwrap_err();
    let text = "no host runs here: start one with `tickdeck run`";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_dropped_server_leaves_the_socket_of_its_successor() {
    let (_folder, path) = folder();
    let first = open(&path);
    std::fs::remove_file(&path).unwrap();
    let _second = open(&path);
    drop(first);
    ask(&path, &Request::Status);
}

#[test]
fn a_dropped_server_still_sends_pending_answers() {
    let (_folder, path) = folder();
    let (slow, is_called, give_leave) = Slow::new();
    let server = Server::open_with(&path, slow, PATIENT).unwrap();
    let asked = path.clone();
    let client = std::thread::spawn(move || ask(&asked, &Request::Status));
    is_called.recv().unwrap();
    let dropping = std::thread::spawn(move || drop(server));
    give_leave.send(()).unwrap();
    assert_eq!(client.join().unwrap(), Answer::done("at last"));
    dropping.join().unwrap();
}

#[test]
fn whatever_a_client_sends_it_gets_one_clear_error_and_the_host_carries_on() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let long = vec![b'x'; 2 * MAX_LINE];
    let cases: [(&[u8], bool, &str); 8] = [
        (b"\xff\xfe\x00garbage\n", false, "this is not a request"),
        (b"GET / HTTP/1.1\r\n\r\n", false, "this is not a request"),
        (b"\n", false, "this is not a request"),
        (
            br#"{"protocol":1,"requ"#,
            true,
            "the request ended after 19 bytes",
        ),
        (b"", true, "the request ended after 0 bytes"),
        (&long, false, "the request is longer than 1048576 bytes"),
        (
            b"{\"protocol\":1,\"request\":{\"command\":\"buy\"}}\n",
            false,
            "unknown variant `buy`",
        ),
        (
            b"{\"protocol\":2,\"request\":{}}\n",
            false,
            "version 1 of the control protocol, not 2",
        ),
    ];
    for (bytes, end, expected) in cases {
        let message = answer_to(&path, bytes, end);
        assert!(message.contains(expected), "{message}");
    }
    let nested = format!(
        "{{\"protocol\":1,\"request\":{}\n",
        "[".repeat(MAX_LINE / 2)
    );
    assert!(answer_to(&path, nested.as_bytes(), false).contains("recursion limit"));
    drop(UnixStream::connect(&path).unwrap());
    ask(&path, &Request::Status);
}

#[test]
fn a_client_that_sends_nothing_or_slowly_is_refused_when_its_time_is_up() {
    let (_folder, path) = folder();
    let _server = Server::open_with(&path, Arc::new(Echo), IMPATIENT).unwrap();
    let late = "no complete request within 0.02 s: end it with a newline";
    assert_eq!(answer_to(&path, b"", false), late);
    let mut stream = UnixStream::connect(&path).unwrap();
    // Each byte is a sign of life, but only the total time counts. It ends because the server closes the connection.
    while stream.write_all(b" ").is_ok() {}
    let message = refusal(&stream);
    assert!(
        message == late || message.contains("longer than"),
        "{message}"
    );
}

#[test]
fn a_panic_of_the_handler_is_answered_and_the_host_carries_on() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let name = "x".to_owned();
    let answer = ask(&path, &Request::Reload { name });
    let Answer::Refused { message } = answer else {
        panic!("{answer:?}");
    };
    assert!(message.contains("a bug in tickdeck"), "{message}");
    ask(&path, &Request::Status);
}

#[test]
fn an_answer_longer_than_a_line_is_refused() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let name = "x".to_owned();
    assert_eq!(
        ask(&path, &Request::Approve { name, seen: None }),
        Answer::refused("the answer is longer than 1048576 bytes")
    );
}

#[test]
fn one_connection_too_many_is_refused_and_the_others_are_answered() {
    let (_folder, path) = folder();
    let (slow, is_called, give_leave) = Slow::new();
    let _server = Server::open_with(&path, slow, PATIENT).unwrap();
    let line = crate::protocol::request_line(&Request::Status).unwrap();
    let asking: Vec<UnixStream> = (0..MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(&line).unwrap();
            stream
        })
        .collect();
    (0..MAX_CONNECTIONS).for_each(|_| is_called.recv().unwrap());
    let refused = ask(&path, &Request::Status);
    assert_eq!(
        refused,
        Answer::refused("16 other connections are open: try again")
    );
    (0..MAX_CONNECTIONS).for_each(|_| give_leave.send(()).unwrap());
    for stream in asking {
        let answer = read_line(&stream, MAX_LINE, PATIENT).unwrap();
        let answer = crate::protocol::read_answer(&answer).unwrap();
        assert_eq!(answer, Answer::done("at last"));
    }
}

#[test]
fn connections_that_say_nothing_keep_no_operator_out() {
    let (_folder, path) = folder();
    let _server = open(&path);
    let silent: Vec<UnixStream> = (0..2 * MAX_CONNECTIONS)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let answer = ask(&path, &Request::Status);
    assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let displaced = read_line(&silent[0], MAX_LINE, PATIENT).unwrap();
    let displaced = crate::protocol::read_answer(&displaced).unwrap();
    let Answer::Refused { message } = displaced else {
        panic!("{displaced:?}");
    };
    assert!(
        message.contains("before the request was complete"),
        "{message}"
    );
}

/// Returns the error of a client whose host answers with `bytes` and closes the connection.
fn error_on(bytes: &'static [u8]) -> ControlError {
    let (_folder, path) = folder();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let host = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_line(&stream, MAX_LINE, PATIENT).unwrap();
        stream.write_all(bytes).unwrap();
    });
    let error = Client::connect(&path).unwrap().ask(&pause()).unwrap_err();
    host.join().unwrap();
    error
}

#[test]
fn a_client_reports_another_version_and_unreadable_answers() {
    let error = error_on(b"{\"protocol\":2,\"reply\":\"new words\"}\n").to_string();
    assert!(error.contains("uses version 2"), "{error}");
    assert!(error.contains("this command version 1"), "{error}");
    let error = error_on(b"").to_string();
    assert!(
        error.ends_with("the host closed the connection without one"),
        "{error}"
    );
    let error = error_on(b"{\"proto").to_string();
    assert!(error.ends_with("in the middle of it"), "{error}");
    let error = error_on(b"HTTP/1.1 400 Bad Request\n").to_string();
    assert!(error.contains("cannot read the host's answer"), "{error}");
}
