//! Real-time scheduling, set with chrt(1). Niceness is not enough: where the kernel groups processes by session it counts only
//! among those of one's own, and packets came 290 ms late on a machine with seven processes at work.

use std::error::Error;
use std::process::{Command, id};

/// The lowest: before every ordinary process and before nothing else.
const PRIORITY: &str = "1";

/// For this thread and those that it starts from now on. Where it may not be, runs are doubted more often, and no more.
pub fn raise() {
    if let Err(why) = chrt() {
        eprintln!("packets are forwarded with ordinary priority: {why}");
    }
}

fn chrt() -> Result<(), Box<dyn Error>> {
    let output = Command::new("chrt").args(["--rr", "--pid", PRIORITY, &id().to_string()]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().into())
}
