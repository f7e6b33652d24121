//! The two TUN devices and the loop between them: reads, lets out what is due, waits. It waits in ppoll(2), whose timeout
//! has nanoseconds, with the timer slack at its least.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::num::NonZeroU64;
use std::process::id;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::namespaces::Namespaces;
use crate::path::{Path, Turn};

/// How often it looks whether to stop when nothing happens.
const LOOK: Duration = Duration::from_millis(100);
/// The least time between two looks while packets move, as network cards have it: one look then serves some packets, and
/// costs half the processor.
const PACE: Duration = Duration::from_micros(100);
/// Packets that are read from a device before those that are due come out: more than come in 10 looks at 1 Gbit/s.
const BATCH: usize = 128;
/// The largest packet that IPv4 has; the MTU of the devices keeps them far below.
const LARGEST: usize = 65_535;

pub struct Devices {
    /// Server, client.
    devices: [SyncDevice; 2],
}

impl Devices {
    pub fn new(namespaces: &Namespaces) -> Result<Self, Box<dyn Error>> {
        let device = |index: usize| -> Result<SyncDevice, Box<dyn Error>> {
            let name = format!("ptl{}{}", id(), ["s", "c"][index]);
            // No offloads: the kernel cuts into packets, as for a card that has none.
            let device = DeviceBuilder::new().name(&name).enable(false).build_sync()?;
            device.set_nonblocking(true)?;
            namespaces.plug_in(index, &name)?;
            Ok(device)
        };
        Ok(Self { devices: [device(0)?, device(1)?] })
    }

    /// Until told to stop.
    pub fn forward(&self, path: &Mutex<Path>, stop: &AtomicBool) -> io::Result<()> {
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        let mut buffer = vec![0; LARGEST];
        while !stop.load(Ordering::Relaxed) {
            let Turn { moved, due } = super::lock(path).turn(self, &mut buffer)?;
            if moved > 0 {
                std::thread::sleep(PACE);
            } else {
                self.wait(due)?;
            }
        }
        Ok(())
    }

    /// Hands over the packets that are there from this end; returns how many.
    pub fn read(&self, from: usize, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        for count in 0..BATCH {
            match self.devices[from].recv(buffer) {
                Ok(length) => take(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(BATCH)
    }

    /// Returns whether the kernel took it.
    pub fn write(&self, to: usize, packet: &[u8]) -> bool {
        self.devices[to].send(packet).is_ok()
    }

    fn wait(&self, due: Option<Instant>) -> io::Result<()> {
        let left = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let [server, client] = &self.devices;
        let mut ends = [PollFd::new(server, PollFlags::IN), PollFd::new(client, PollFlags::IN)];
        match poll(&mut ends, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
