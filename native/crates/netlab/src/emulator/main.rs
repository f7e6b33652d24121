//! `petrel-netlab [--seed N]`: a link in real time between two network namespaces, each way one `Pipe`, for kernel TCP and
//! UDP and whatever else the kernel sends. Linux, as root.
//!
//! The first line on standard output names the two ends; then each line on standard input is a command (`command.rs`), and
//! is answered by one line. It ends, and the namespaces with it, with `{"do":"stop"}` or the end of its input, so they never
//! outlive who started it; what a killed one left, the next one removes.
//!
//! This thread talks, one forwards and does nothing else, and one on each processor is a control (`control.rs`). All run
//! before other processes of the machine (`priority.rs`): a link does not get slower because its ends are busy.
#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("only Linux has network namespaces");

mod command;
mod control;
mod devices;
mod namespaces;
mod path;
mod priority;
mod report;

use std::error::Error;
use std::io::{self, BufRead, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, ScopedJoinHandle, scope};
use std::time::Instant;

use serde_json::{Value, json};

use command::Command;
use control::Control;
use devices::Devices;
use namespaces::Namespaces;
use path::Path;
use report::Marks;

fn main() -> Result<(), Box<dyn Error>> {
    let seed = seed()?;
    priority::raise();
    namespaces::sweep();
    let namespaces = Namespaces::new()?;
    let devices = Devices::new(&namespaces)?;
    let path = Mutex::new(Path::new(Instant::now(), seed));
    let control = Control::new()?;
    let stop = AtomicBool::new(false);
    say(&json!({ "ready": namespaces.ends(), "seed": seed }))?;
    scope(|scope| {
        let forwarding = Builder::new().name("forward".into()).spawn_scoped(scope, || devices.forward(&path, &stop))?;
        for processor in control.processors() {
            Builder::new().name("control".into()).spawn_scoped(scope, || processor.watch(&stop))?;
        }
        let talked = talk(&path, &control, &namespaces, &forwarding);
        stop.store(true, Ordering::Relaxed);
        let forwarded = forwarding.join().map_err(|_| "the forwarding thread panicked")?;
        talked.and(forwarded.map_err(Into::into))
    })
}

fn seed() -> Result<u64, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => Ok(1),
        [flag, number] if flag == "--seed" => Ok(number.parse()?),
        _ => Err("usage: petrel-netlab [--seed N]".into()),
    }
}

/// Until the input ends, a command says so, or nothing is forwarded any more.
fn talk<T>(
    path: &Mutex<Path>,
    control: &Control,
    namespaces: &Namespaces,
    forwarding: &ScopedJoinHandle<'_, T>,
) -> Result<(), Box<dyn Error>> {
    let mut marks = Marks::new();
    for line in stdin().lock().lines() {
        let line = line?;
        if forwarding.is_finished() {
            break;
        }
        let answer = match serde_json::from_str(&line) {
            Ok(Command::Stop) => break,
            Ok(Command::Mark) => {
                marks = report::mark(path, control);
                Ok(json!({ "ok": true }))
            }
            Ok(Command::Counts) => report::counts(path, control, namespaces, &marks),
            Ok(Command::Change(change)) => lock(path).change(&change).map(|()| json!({ "ok": true })),
            Err(error) => Err(error.to_string()),
        };
        say(&answer.unwrap_or_else(|error| json!({ "error": error })))?;
    }
    Ok(())
}

/// Not `println`, which panics when nobody reads any more: the threads would never hear of it.
fn say(line: &Value) -> io::Result<()> {
    writeln!(stdout().lock(), "{line}")
}

/// What a thread that panicked left is still whole: no change is made in two steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
