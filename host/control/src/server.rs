//! The host's end of the socket: a thread that accepts connections, and one for each connection.

use crate::client::unreachable;
use crate::error::ControlError;
use crate::line::{NoLine, read_line, write_line};
use crate::peer::{Peer, is_same_user};
use crate::protocol::{
    Answer, MAX_CONNECTIONS, MAX_LINE, Misread, PROTOCOL, REQUEST_WITHIN, Request, answer_line,
    read_request,
};
use crate::shorten::{STEPS, shorten};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Scope};
use std::time::{Duration, Instant};

/// The socket's folder: its owner alone.
const FOLDER_MODE: u32 = 0o700;
/// The socket: its owner alone.
const SOCKET_MODE: u32 = 0o600;
/// The bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// How long the end of the host waits for pending answers.
const PENDING_WITHIN: Duration = Duration::from_secs(1);
/// Polling interval of that wait.
const JOIN_LOOK: Duration = Duration::from_millis(2);
/// Pause after a connection could not be accepted: without file descriptors, trying again at once would spin.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Answers operators. Called on the threads of connections, up to [`MAX_CONNECTIONS`] at a time.
pub trait Handler: Send + Sync {
    /// Carries out or refuses a request. It should return soon, because dropping the server waits for it.
    fn handle(&self, request: Request) -> Answer;

    /// Carries out or refuses a request and sends the answer, then each fact that comes true afterwards ([`Answer::Done`]) or
    /// fails to ([`Answer::Refused`]). The client may be gone.
    fn follow(&self, request: Request, send: &mut dyn FnMut(Answer)) {
        send(self.handle(request));
    }
}

/// A listening socket. Dropping it refuses further requests, waits for pending answers for a while and removes the
/// socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Device and inode of the socket's file.
    file: (u64, u64),
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// State shared by the threads.
struct Shared {
    listener: UnixListener,
    handler: Arc<dyn Handler>,
    uid: u32,
    request_within: Duration,
    stopped: AtomicBool,
    /// By number: the oldest comes first.
    open: Mutex<BTreeMap<u64, Connection>>,
}

/// An open connection.
struct Connection {
    stream: Arc<UnixStream>,
    state: ConnectionState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    /// Its request is not complete.
    Silent,
    /// The same, and its place was given to another one.
    Displaced,
    /// It gets its answer.
    Asking,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Server {
    /// Listens at `path`, for this user only. Creates the folder if it is missing; its parent must exist.
    ///
    /// Replaces a stale socket that nobody listens at. It does not guard against two hosts that open the same path at the same
    /// moment: hold the deck's lock.
    ///
    /// # Errors
    /// Another host listens there, the folder is accessible to other users, or the socket cannot be created.
    pub fn open(path: &Path, handler: Arc<dyn Handler>) -> Result<Self, ControlError> {
        Self::open_with(path, handler, REQUEST_WITHIN)
    }

    /// Listens with another time limit than [`REQUEST_WITHIN`].
    fn open_with(
        path: &Path,
        handler: Arc<dyn Handler>,
        request_within: Duration,
    ) -> Result<Self, ControlError> {
        let uid = rustix::process::geteuid().as_raw();
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        prepare_folder(folder.unwrap_or(Path::new(".")), uid)?;
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(ControlError::io("listen at", path))?;
        // Until here the umask applies; the folder and the check of the peer keep others out at all times.
        std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
            .map_err(ControlError::io("set the mode of", path))?;
        let file = std::fs::symlink_metadata(path).map_err(ControlError::io("inspect", path))?;
        let shared = Arc::new(Shared {
            listener,
            handler,
            uid,
            request_within,
            stopped: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let thread = Builder::new()
            .name("control".to_owned())
            .spawn(move || accepting.accept_all())
            .map_err(ControlError::io("start the thread that listens at", path))?;
        Ok(Self {
            path: path.to_owned(),
            file: identity(&file),
            shared,
            thread: Some(thread),
        })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // On Linux this wakes the thread in `accept`; on other systems it fails, and a connection wakes it.
        if rustix::net::shutdown(&self.shared.listener, rustix::net::Shutdown::Both).is_err() {
            drop(UnixStream::connect(&self.path));
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            join_within(thread, PENDING_WITHIN);
        }
        let is_ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.file);
        if is_ours {
            // If it cannot be removed, the next host finds it stale and replaces it.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

impl Shared {
    fn accept_all(&self) {
        std::thread::scope(|scope| {
            let mut number = 0;
            while !self.stopped.load(Ordering::SeqCst) {
                match self.listener.accept() {
                    Ok((stream, _)) => self.receive(number, stream, scope),
                    Err(_) if self.stopped.load(Ordering::SeqCst) => break,
                    Err(_) => std::thread::park_timeout(AFTER_FAILURE),
                }
                number += 1;
            }
            // Clients that have not sent a request learn that nobody reads; pending answers are still sent.
            for connection in self.open().values() {
                drop(connection.stream.shutdown(std::net::Shutdown::Read));
            }
        });
    }

    /// Serves a connection on a thread of its own, or refuses it.
    fn receive<'scope>(
        &'scope self,
        number: u64,
        stream: UnixStream,
        scope: &'scope Scope<'scope, '_>,
    ) {
        if self.stopped.load(Ordering::SeqCst) {
            return;
        }
        if !is_same_user(Peer::of(&stream), self.uid) {
            return refuse(&stream, "only the user who runs the host may control it");
        }
        let stream = Arc::new(stream);
        if !self.make_room() {
            let message = format!("{MAX_CONNECTIONS} other connections are open: try again");
            return refuse(&stream, &message);
        }
        let connection = Connection {
            stream: Arc::clone(&stream),
            state: ConnectionState::Silent,
        };
        self.open().insert(number, connection);
        let served = Arc::clone(&stream);
        let started = Builder::new()
            .name("control-client".to_owned())
            .spawn_scoped(scope, move || {
                self.serve(number, &served);
                self.open().remove(&number);
            });
        if started.is_err() {
            self.open().remove(&number);
            refuse(&stream, "the host cannot start another thread: try again");
        }
    }

    /// Makes room for another connection; false if every place is taken by a client that gets its answer. One that has not
    /// asked yet gives its place away, the oldest first: whoever opens connections and says nothing keeps no operator out.
    fn make_room(&self) -> bool {
        let mut open = self.open();
        let has_place = |one: &&Connection| one.state != ConnectionState::Displaced;
        if open.values().filter(has_place).count() < MAX_CONNECTIONS {
            return true;
        }
        let mut places = open.values_mut();
        let Some(silent) = places.find(|one| one.state == ConnectionState::Silent) else {
            return false;
        };
        silent.state = ConnectionState::Displaced;
        // Its thread reads the end, says why, and is gone.
        drop(silent.stream.shutdown(std::net::Shutdown::Read));
        true
    }

    /// Notes that a connection's request is complete; false if its place was given away before.
    fn keeps_its_place(&self, number: u64) -> bool {
        let mut open = self.open();
        let connection = open.get_mut(&number);
        connection.is_some_and(|connection| {
            let keeps = connection.state != ConnectionState::Displaced;
            if keeps {
                connection.state = ConnectionState::Asking;
            }
            keeps
        })
    }

    fn serve(&self, number: u64, stream: &UnixStream) {
        let line = read_line(stream, MAX_LINE, self.request_within);
        if !self.keeps_its_place(number) {
            let message = format!(
                "{MAX_CONNECTIONS} other connections were opened before the request was complete: try again"
            );
            return refuse(stream, &message);
        }
        let request = line
            .map_err(|problem| self.unread(problem))
            .and_then(|line| read_request(&line).map_err(misread));
        match request {
            Ok(request) => self.answer(stream, request),
            Err(message) => refuse(stream, &message),
        }
    }

    fn answer(&self, stream: &UnixStream, request: Request) {
        let is_followed = request.is_followed();
        let mut each = |answer: Answer| send(stream, &answer);
        let follow = || self.handler.follow(request, &mut each);
        match catch_unwind(AssertUnwindSafe(follow)) {
            Ok(()) if is_followed => send(stream, &Answer::Complete),
            Ok(()) => {}
            // The panic message is on standard error. Nobody knows what is left to tell.
            Err(_) => send(
                stream,
                &Answer::refused("the host panicked on this request: a bug in tickdeck"),
            ),
        }
    }

    fn unread(&self, problem: NoLine) -> String {
        match problem {
            NoLine::HungUp(_) if self.stopped.load(Ordering::SeqCst) => {
                "the host is shutting down".to_owned()
            }
            NoLine::Late => format!(
                "no complete request within {} s: end it with a newline",
                self.request_within.as_secs_f64()
            ),
            NoLine::TooLong => format!("the request is longer than {MAX_LINE} bytes"),
            NoLine::HungUp(count) => {
                format!("the request ended after {count} bytes without a newline")
            }
            NoLine::Io(error) => format!("cannot read the request: {error}"),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns why a line is not a request.
fn misread(misread: Misread) -> String {
    match misread {
        Misread::Version(theirs) => format!(
            "this host uses version {PROTOCOL} of the control protocol, not {theirs}: use the `tickdeck` that started it"
        ),
        Misread::Malformed(problem) => format!("this is not a request: {problem}"),
    }
}

/// Waits briefly for the end of a thread: one that is stuck is left to the end of the process.
fn join_within(thread: JoinHandle<()>, within: Duration) {
    let start = Instant::now();
    while !thread.is_finished() && start.elapsed() < within {
        std::thread::sleep(JOIN_LOOK);
    }
    if thread.is_finished() {
        // The thread catches panics of handlers; a panic of its own has been printed and must not end the host.
        drop(thread.join());
    }
}

/// Answers without reading a request. A message that fits the socket's empty buffer never blocks.
fn refuse(stream: &UnixStream, message: &str) {
    send(stream, &Answer::refused(message));
    // Nothing was begun, so there is nothing to tell.
    send(stream, &Answer::Complete);
}

fn send(stream: &UnixStream, answer: &Answer) {
    let problem = match fitting_line(answer) {
        // The newline is not counted.
        Ok(line) if line.len() <= MAX_LINE + 1 => {
            // The client may have closed the connection.
            drop(write_line(stream, &line, REQUEST_WITHIN));
            return;
        }
        Ok(_) => format!("the answer is longer than {MAX_LINE} bytes"),
        Err(error) => format!("cannot write the answer: {error}"),
    };
    if let Ok(line) = answer_line(&Answer::refused(problem)) {
        drop(write_line(stream, &line, REQUEST_WITHIN));
    }
}

/// Returns an answer as a line, shortened if it would be too long.
fn fitting_line(answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    // The newline is not counted.
    let fits = |line: &Vec<u8>| line.len() <= MAX_LINE + 1;
    let mut line = answer_line(answer)?;
    if fits(&line) {
        return Ok(line);
    }
    let mut shorter = answer.clone();
    for step in 0..STEPS {
        shorten(&mut shorter, step);
        line = answer_line(&shorter)?;
        if fits(&line) {
            break;
        }
    }
    Ok(line)
}

/// Creates the socket's folder, or checks that only this user can use it.
fn prepare_folder(folder: &Path, uid: u32) -> Result<(), ControlError> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(ControlError::io("create the folder", folder)(error));
        }
        _ => {}
    }
    let found = std::fs::symlink_metadata(folder).map_err(ControlError::io("inspect", folder))?;
    folder_problem(found.is_dir(), found.uid(), found.mode(), uid).map_or(Ok(()), |problem| {
        Err(ControlError::Folder {
            path: folder.to_owned(),
            problem,
        })
    })
}

/// Returns the reason why a folder must not contain the socket of user `own`, if any.
fn folder_problem(is_folder: bool, owner: u32, mode: u32, own: u32) -> Option<&'static str> {
    if !is_folder {
        Some("it is not a folder; remove it")
    } else if owner != own {
        Some("it belongs to another user; have it removed")
    } else if mode & OTHERS_WRITE != 0 {
        Some("others may write to it; run `chmod 700` on it")
    } else {
        None
    }
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ControlError::io("inspect", path)(error)),
    };
    if !found.file_type().is_socket() {
        let path = path.to_owned();
        return Err(ControlError::InTheWay { path });
    }
    match UnixStream::connect(path).map_err(|error| unreachable(error, path)) {
        Ok(stream) => Err(ControlError::Taken {
            pid: Peer::of(&stream).map(|peer| peer.pid),
        }),
        Err(ControlError::NobodyListens) => match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(ControlError::io("remove the stale socket", path)(error))
            }
            _ => Ok(()),
        },
        Err(error) => Err(error),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests;
