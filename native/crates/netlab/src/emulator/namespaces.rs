//! The two ends: network namespaces, made and removed with ip(8).

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio, id};

use serde_json::{Value, json};

/// Before the id of the process that made it.
const PREFIX: &str = "ptl-link-";
/// What the device is called in both.
const CABLE: &str = "cable";
/// Packets that the kernel keeps for us when we are late: 1 s of 100 Mbit/s in packets of full size.
const RING: usize = 10_000;

pub struct Namespaces {
    /// Server, client.
    names: [String; 2],
}

const ADDRESSES: [&str; 2] = ["10.77.0.1", "10.77.0.2"];

/// What the kernel counted of one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kernel {
    /// Packets that left the namespace, and those that the device dropped.
    pub sent: u64,
    pub dropped: u64,
    pub received: u64,
}

impl Namespaces {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let made = Self { names: ["server", "client"].map(|end| format!("{PREFIX}{}-{end}", id())) };
        for name in &made.names {
            ip(&["netns", "add", name])?;
        }
        Ok(made)
    }

    pub fn ends(&self) -> Value {
        let end = |index: usize| json!({ "namespace": self.names[index], "address": ADDRESSES[index] });
        json!({ "server": end(0), "client": end(1) })
    }

    /// Moves a device there and brings it up. It speaks IPv4 alone, has no neighbours to look for and no groups to tell of,
    /// so that every packet is one that a program sent.
    pub fn plug_in(&self, index: usize, device: &str) -> Result<(), Box<dyn Error>> {
        let (name, address) = (&self.names[index], ADDRESSES[index]);
        ip(&["link", "set", "dev", device, "netns", name, "name", CABLE])?;
        let setup = format!(
            "link set lo up\nlink set {CABLE} mtu 1500 txqueuelen {RING} addrgenmode none multicast off\nlink set {CABLE} up\naddr add {address}/24 dev {CABLE}\n"
        );
        batch(name, &setup)
    }

    /// Reads what the kernel counted at one end.
    pub fn kernel(&self, index: usize) -> Result<Kernel, String> {
        let text = ip(&["-n", &self.names[index], "-j", "-s", "link", "show", "dev", CABLE])
            .map_err(|error| error.to_string())?;
        let parsed: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let number = |path: &str| {
            let found = parsed.pointer(&format!("/0/stats64/{path}")).and_then(Value::as_u64);
            found.ok_or_else(|| format!("ip(8) told no {path} of the device"))
        };
        Ok(Kernel { sent: number("tx/packets")?, dropped: number("tx/dropped")?, received: number("rx/packets")? })
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.names {
            if let Err(error) = ip(&["netns", "del", name]) {
                eprintln!("{name} stays: {error}");
            }
        }
    }
}

/// Removes what emulators left that do not run any more.
pub fn sweep() {
    let Ok(list) = ip(&["netns", "list"]) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|id| !is_running(id)) {
            // Another one that starts now may be faster.
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Whether the process is an emulator. One that ended has no command line, also while its parent has not looked.
fn is_running(id: &str) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(env!("CARGO_BIN_NAME"))
}

fn ip(args: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new("ip").args(args).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ip {}: {}", args.join(" "), why.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn batch(namespace: &str, lines: &str) -> Result<(), Box<dyn Error>> {
    let mut child = Command::new("ip").args(["-n", namespace, "-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.as_bytes())?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("ip -batch in {namespace}: {status}").into()) }
}
