//! Drives protocol machines over a `Net`: the verbs of a pure protocol, and the loop that a test would else write.

use std::net::SocketAddr;
use std::time::Instant;

use crate::net::Net;

/// Wake-ups of one instant that move no packet: a machine needs a few, a busy loop has no end of them.
const MAX_IDLE_WAKEUPS: u32 = 100;
/// Packets that a machine may send at one instant.
const MAX_BURST: u32 = 50_000;

/// A protocol's end without socket and clock.
pub trait Machine {
    /// Its host's address in the `Net`; may change with `Net::readdress`.
    fn address(&self) -> SocketAddr;
    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]);
    fn handle_timeout(&mut self, now: Instant);
    /// Where to and what; called until None.
    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)>;
    /// When it wants `handle_timeout`, if nothing comes before.
    fn poll_timeout(&mut self) -> Option<Instant>;
}

/// Why a run ended without what it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The time was up.
    Until,
    /// No packet under way, no timer set: nothing would ever happen again.
    Idle { at: Instant },
    /// The machine of this index wants to be woken again and again at one instant, and does nothing.
    BusyLoop { machine: usize, at: Instant },
    /// The machine of this index sends without end at one instant.
    Flood { machine: usize, at: Instant },
}

impl Net {
    /// Runs from the net's time on until `application` says true, and returns when that was. It is called at each event,
    /// after the machines have heard of it and before they are asked what to send; it reads from them, writes to them and
    /// checks them. A later call goes on where this one ended.
    pub fn run<M: Machine>(
        &mut self,
        machines: &mut [M],
        until: Instant,
        mut application: impl FnMut(Instant, &mut [M]) -> bool,
    ) -> Result<Instant, Stop> {
        let mut now = self.now();
        let (mut idle, mut sent) = (0, vec![0; machines.len()]);
        loop {
            let mut moved = self.hand_out(now, machines);
            let mut woken = None;
            for (index, machine) in machines.iter_mut().enumerate() {
                if machine.poll_timeout().is_some_and(|at| at <= now) {
                    machine.handle_timeout(now);
                    woken = Some(index);
                }
            }
            if application(now, machines) {
                return Ok(now);
            }
            for (index, machine) in machines.iter_mut().enumerate() {
                while let Some((to, bytes)) = machine.poll_transmit(now) {
                    self.send(now, machine.address(), to, bytes);
                    moved = true;
                    sent[index] += 1;
                    if sent[index] > MAX_BURST {
                        return Err(Stop::Flood { machine: index, at: now });
                    }
                }
            }
            let timers = machines.iter_mut().filter_map(Machine::poll_timeout);
            let Some(next) = timers.chain(self.next_event()).min() else { return Err(Stop::Idle { at: now }) };
            if next > until {
                self.advance(until.max(now));
                return Err(Stop::Until);
            }
            if next > now {
                now = next;
                idle = 0;
                sent.fill(0);
            } else if let Some(machine) = woken.filter(|_| !moved) {
                idle += 1;
                if idle > MAX_IDLE_WAKEUPS {
                    return Err(Stop::BusyLoop { machine, at: now });
                }
            }
        }
    }

    /// Whether any machine got a packet. What is for nobody of them is dropped.
    fn hand_out<M: Machine>(&mut self, now: Instant, machines: &mut [M]) -> bool {
        let mut any = false;
        while let Some(delivery) = self.deliver(now) {
            any = true;
            if let Some(machine) = machines.iter_mut().find(|machine| machine.address() == delivery.to) {
                machine.handle_datagram(delivery.at, delivery.from, &delivery.bytes);
            }
        }
        any
    }
}
