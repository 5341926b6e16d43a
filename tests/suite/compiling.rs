//! Strangers' modules are compiled in a child process, which is the real binary again: what it is given is compiled as in this
//! process, and whatever happens to it costs one module.

use crate::support::deck::parts;
use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::plugins::{EXAMPLES, plugins, root};
use crate::support::process::{binary, command, deck, error_of};
use crate::support::versions::counting;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tickdeck_deck::assemble::DeckParts;
use tickdeck_deck::clock::Pace;
use tickdeck_deck::compiling::Compiling;
use tickdeck_strategy::compile::{
    ChildCompiler, ChildProgram, Compilation, CompileJob, CompileLimits, Compiler, Confinement,
    InProcess,
};
use tickdeck_strategy::{CacheConfig, CacheUse, LoadError, ResourceLimits, Runtime, RuntimeConfig};

fn child(program: &Path, limits: CompileLimits) -> ChildCompiler {
    ChildCompiler::new(ChildProgram::at(program), limits, Confinement::Required)
}

fn job(bytes: &[u8]) -> CompileJob<'_> {
    CompileJob {
        bytes,
        file: "x.wasm",
        nan_canonicalisation: true,
    }
}

fn refused(compiler: &ChildCompiler, bytes: &[u8]) -> String {
    compiler.compile(&job(bytes)).unwrap_err().to_string()
}

fn attack(name: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("tests/fixtures/sandbox/{name}.wasm"))).unwrap()
}

/// A strategy of so many functions, each of which takes a while to compile.
fn laborious(functions: usize) -> Vec<u8> {
    let step = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.rotl (local.get 1) (local.get 0))))";
    let body = step.repeat(200);
    let item = format!("(func (param i32 i32) (result i32) {body} local.get 0)");
    Guest::new().item(&item.repeat(functions)).core()
}

#[test]
fn a_child_compiles_as_this_process_does() {
    let folder = tempfile::tempdir().unwrap();
    for name in EXAMPLES {
        let file = plugins().join(format!("{name}.wasm"));
        let load = |compiler: Arc<dyn Compiler>, cache| {
            let config = RuntimeConfig {
                compiler,
                cache,
                ..RuntimeConfig::default()
            };
            let runtime = Runtime::new(config).unwrap();
            runtime.inspect(&file, &ResourceLimits::default()).unwrap()
        };
        let cache = CacheConfig {
            folder: folder.path().join("cache"),
            key: folder.path().join("key"),
        };
        let apart = child(binary(), CompileLimits::default());
        let mut apart = load(Arc::new(apart), Some(cache.clone()));
        let mut here = load(Arc::new(InProcess), None);
        assert_eq!(
            std::mem::replace(&mut apart.cache, CacheUse::Off),
            CacheUse::Stored
        );
        apart.compile_time = here.compile_time;
        assert_eq!(apart, here, "{name}");
        // From the cache, nothing is compiled: no program could be.
        let nobody = child(Path::new("/nowhere"), CompileLimits::default());
        here = load(Arc::new(nobody), Some(cache));
        assert_eq!(here.cache, CacheUse::Hit, "{name}");
    }
}

#[test]
fn a_module_of_an_absurd_shape_is_refused_before_it_is_compiled() {
    let compiler = child(binary(), CompileLimits::default());
    for (name, problem) in [
        (
            "inst-30-2m",
            "components within each other, and the maximum is 16",
        ),
        (
            "nested-5000",
            "components within each other, and the maximum is 16",
        ),
        ("mems-250", "memories, and the maximum is 8"),
        ("tables-100", "tables, and the maximum is 64"),
    ] {
        let text = refused(&compiler, &attack(name));
        assert!(
            text.contains("exceeds a structural limit: it has ") && text.contains(problem),
            "{text}"
        );
    }
}

#[test]
fn a_module_that_takes_too_much_to_compile_costs_only_itself() {
    let bytes = laborious(4_000);
    let limits = CompileLimits::default();
    let short = CompileLimits { cpu_s: 1, ..limits };
    let text = refused(&child(binary(), short), &bytes);
    assert!(
        text.contains("takes more than 1 s of CPU time to compile"),
        "{text}"
    );
    let small = CompileLimits {
        memory_mib: 128,
        ..limits
    };
    let text = refused(&child(binary(), small), &bytes);
    assert!(
        text.contains("needs more than 128 MiB of memory to compile"),
        "{text}"
    );
    let overdue = CompileLimits {
        wall_s: 0,
        ..limits
    };
    let text = refused(&child(binary(), overdue), &bytes);
    assert!(text.contains("takes longer than 0 s to compile"), "{text}");
}

#[test]
fn a_compilation_that_is_canceled_ends_at_once_and_leaves_no_process() {
    let compiler = child(binary(), CompileLimits::default());
    let bytes = laborious(20_000);
    std::thread::scope(|scope| {
        let compiling = scope.spawn(|| refused(&compiler, &bytes));
        let begun = Instant::now();
        while children().is_empty() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "no child was started"
            );
            std::thread::yield_now();
        }
        compiler.cancel();
        let text = compiling.join().unwrap();
        assert!(text.contains("the host is shutting down"), "{text}");
    });
    assert!(refused(&compiler, &bytes).contains("the host is shutting down"));
}

#[test]
fn a_compilation_that_is_interrupted_ends_at_once_and_the_next_one_is_carried_out() {
    let compiler = child(binary(), CompileLimits::default());
    let (long, short) = (laborious(20_001), laborious(1));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let compiling = scope.spawn(|| refused(&compiler, &long));
        while !compiling.is_finished() {
            compiler.interrupt();
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let text = compiling.join().unwrap();
        assert!(text.contains("it was interrupted"), "{text}");
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "it compiled on");
    compiler.compile(&job(&short)).unwrap();
}

/// The processes that compile for this one, on threads of this test.
fn children() -> Vec<PathBuf> {
    children_of(std::process::id())
}

fn children_of(parent: u32) -> Vec<PathBuf> {
    let parent = parent.to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let compiles = |process: &PathBuf| {
        let line = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        line.contains("--compile-one-module")
            && line
                .trim_end_matches('\0')
                .ends_with(&format!("\0{parent}"))
    };
    processes
        .map(|entry| entry.path())
        .filter(compiles)
        .collect()
}

#[test]
fn a_compiler_that_answers_nonsense_costs_only_the_module() {
    let bytes = Guest::new().core();
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless");
    std::fs::write(&endless, "#!/bin/sh\nexec /usr/bin/yes\n").unwrap();
    std::fs::set_permissions(&endless, std::fs::Permissions::from_mode(0o700)).unwrap();
    for (program, problem) in [
        ("/nowhere", "its process cannot be started"),
        ("/bin/true", "the compiler's answer is not complete"),
        ("/bin/false", "it crashes the compiler (exit status: 1)"),
        (
            endless.to_str().unwrap(),
            "the compiler's answer is not readable",
        ),
    ] {
        let compiler = child(Path::new(program), CompileLimits::default());
        let text = refused(&compiler, &bytes);
        assert!(
            text.starts_with("x.wasm: is not loaded: ") && text.contains(problem),
            "{program}: {text}"
        );
    }
}

#[test]
fn a_real_host_trades_beside_modules_that_can_t_be_compiled() {
    let deck = deck("[venue]\nkind = \"sim\"\nseed = 7\n[wasm]\ncompile_cpu_s = 1\n");
    let plugins = deck.path().join("plugins");
    for name in ["inst-30-2m", "nested-5000"] {
        std::fs::write(plugins.join(format!("{name}.wasm")), attack(name)).unwrap();
    }
    std::fs::write(plugins.join("laborious.wasm"), laborious(4_000)).unwrap();
    let arguments = [
        "run",
        "--plain",
        "--pace",
        "max",
        "--events",
        "20000",
        "--no-watch",
    ];
    let output = command(deck.path(), &arguments).output().unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{text}\n{errors}");
    let all = text + &errors;
    for part in [
        "inst-30-2m.wasm: exceeds a structural limit",
        "nested-5000.wasm: exceeds a structural limit",
        "laborious.wasm: is not loaded: it takes more than 1 s of CPU time to compile",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
}

/// The number by which Linux knows the idle priority.
const IDLE: &str = "5";

/// Waits until the first process that `host` starts compiles at idle priority, with all its threads.
fn wait_for_an_idle_child_of(host: u32) {
    let begun = Instant::now();
    loop {
        let child = children_of(host).into_iter().next();
        let policies = child.map_or_else(Vec::new, |child| policies(&child));
        if !policies.is_empty() && policies.iter().all(|one| one == IDLE) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing compiles at idle priority"
        );
        std::thread::yield_now();
    }
}

/// The scheduling policies of a process's threads.
fn policies(process: &Path) -> Vec<String> {
    let threads = std::fs::read_dir(process.join("task"))
        .into_iter()
        .flatten();
    let lines =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let policy = |line: String| {
        // The fields behind the name, which may have blanks: the 39th of them is the policy.
        let (_, fields) = line.rsplit_once(')')?;
        fields.split_whitespace().nth(38).map(str::to_owned)
    };
    lines.filter_map(policy).collect()
}

#[test]
fn what_compiles_beside_trading_runs_only_when_nothing_else_wants_to() {
    let deck = deck("[venue]\nkind = \"sim\"\nseed = 7\n[wasm]\ncompile_cpu_s = 20\n");
    let mut host = command(deck.path(), &["run", "--plain"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(host.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    lines.find(|line| line.contains("is live")).unwrap();
    let module = deck.path().join("plugins/laborious.wasm");
    std::fs::write(module, laborious(4_000)).unwrap();
    wait_for_an_idle_child_of(host.id());
    host.kill().unwrap();
    host.wait().unwrap();
}

#[test]
fn what_compiles_beside_trading_is_ready_in_time_where_every_core_is_busy() {
    let compiler = child(binary(), CompileLimits::default());
    compiler.give_way();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let compiling = scope.spawn(|| {
            // One core, which the thread below keeps busy: an idle child would take minutes.
            tickdeck_deck::affinity::pin(0);
            let busy = scope.spawn(|| {
                while !is_done.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
            });
            let began = Instant::now();
            let compiled = compiler.compile(&job(&laborious(200)));
            is_done.store(true, Ordering::Release);
            busy.join().unwrap();
            compiled.unwrap();
            began.elapsed()
        });
        let took = compiling.join().unwrap();
        assert!(took < Duration::from_secs(60), "{took:?}");
    });
}

#[test]
fn where_confinement_is_required_and_impossible_nothing_is_compiled() {
    // Arguments that no host gives: the process that asked is another one.
    let output = command(
        root(),
        &["--compile-one-module", "2048", "60", "required", "1"],
    )
    .output();
    let output = output.unwrap();
    assert!(output.status.success(), "it answers");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("cannot limit it"),
        "{output:?}"
    );
    let nonsense = command(root(), &["--compile-one-module", "much"])
        .output()
        .unwrap();
    assert!(error_of(&nonsense).is_empty());
}

/// Compiles what is called `slow` once it may, or after a long time.
#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Compiler for Held {
    fn compile(&self, job: &CompileJob<'_>) -> Result<Compilation, LoadError> {
        let began = Instant::now();
        let is_held = || !self.0.load(Ordering::Acquire) && began.elapsed().as_secs() < 40;
        while job.file.contains("slow") && is_held() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        InProcess.compile(job)
    }
}

#[test]
fn a_deck_trades_before_a_module_that_compiles_for_long_and_loads_it_later() {
    let folder = Folder::new();
    for name in ["guest", "slow"] {
        folder.put(name, &counting(&format!("1.0.{}", name.len())).component());
    }
    let may_compile = Arc::new(AtomicBool::default());
    let compiling = Compiling {
        compiler: Arc::new(Held(Arc::clone(&may_compile))),
        cache: None,
    };
    let parts = DeckParts {
        compiling,
        pace: Pace::Times(4.0),
        ..parts(SIM, folder.path())
    };
    let mut host = Hosted::of(parts, folder);
    host.keeps_trading("guest");
    assert!(host.find("slow").is_none(), "the start waited for it");
    may_compile.store(true, Ordering::Release);
    host.keeps_trading("slow");
}
