//! Real-time scheduling, set with chrt(1). Niceness is not enough: where the kernel groups processes by session it counts only
//! among those of one's own, and packets came 290 ms late on a machine with seven processes at work.

use std::error::Error;
use std::process::Command;

use rustix::thread::gettid;

/// The lowest: before every ordinary process and before nothing else.
const FORWARDING: &str = "1";
/// What forwarding does is no stall of the machine.
const CONTROL: &str = "2";

/// For this thread and those that it starts from now on. Where it may not be, runs are doubted more often, and no more.
pub fn raise() {
    if let Err(why) = chrt(FORWARDING) {
        eprintln!("packets are forwarded with ordinary priority: {why}");
    }
}

/// For this thread.
pub fn before_forwarding() {
    if let Err(why) = chrt(CONTROL) {
        eprintln!("stalls are watched with the priority of forwarding: {why}");
    }
}

fn chrt(priority: &str) -> Result<(), Box<dyn Error>> {
    let thread = gettid().as_raw_pid().to_string();
    let output = Command::new("chrt").args(["--rr", "--pid", priority, &thread]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().into())
}
