//! The link itself: two pipes, what was changed of them, and how late their packets came out.

use std::io;
use std::time::Instant;

use fastrand::Rng;
use petrel_netlab::{Counters, Handover, Histogram, Pipe, Spec, presets};

use crate::command::{Change, Way};
use crate::devices::Devices;

/// Up, down: each way's name, and the ends that it leads from and to (server 0, client 1).
pub const WAYS: [(&str, Way, usize, usize); 2] = [("up", Way::Up, 1, 0), ("down", Way::Down, 0, 1)];

pub struct Path {
    start: Instant,
    pipes: [Pipe<Vec<u8>>; 2],
    refused: [u64; 2],
    pub lateness: Histogram,
    handover: Option<(Handover, Instant)>,
    rng: Rng,
}

pub struct Turn {
    /// Packets that came or went.
    pub moved: usize,
    /// When the next comes out.
    pub due: Option<Instant>,
}

/// One way of the link at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub counters: Counters,
    pub in_flight: u64,
    pub refused: u64,
}

impl Path {
    pub fn new(start: Instant, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            start,
            pipes: std::array::from_fn(|_| Pipe::new(Spec::default(), start, rng.u64(..))),
            refused: [0; 2],
            lateness: Histogram::default(),
            handover: None,
            rng,
        }
    }

    /// Takes what has come and lets out what is due.
    pub fn turn(&mut self, devices: &Devices, buffer: &mut [u8]) -> io::Result<Turn> {
        self.hand_over(Instant::now());
        let mut moved = 0;
        for (pipe, (_, _, from, _)) in self.pipes.iter_mut().zip(WAYS) {
            moved += devices.read(from, buffer, |packet| pipe.push(Instant::now(), packet.to_vec()))?;
        }
        for ((pipe, refused), (_, _, _, to)) in self.pipes.iter_mut().zip(&mut self.refused).zip(WAYS) {
            let mut now = Instant::now();
            while let Some((due, packet)) = pipe.pop(now) {
                now = Instant::now();
                moved += 1;
                self.lateness.record(now - due);
                *refused += u64::from(!devices.write(to, &packet));
            }
        }
        Ok(Turn { moved, due: self.pipes.iter().filter_map(Pipe::next).min() })
    }

    pub fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Set(settings) => {
                for pipe in chosen(&mut self.pipes, settings.way) {
                    let spec = settings.apply(pipe.spec(), self.start.elapsed())?;
                    pipe.set(spec);
                }
            }
            Change::Outage { way, lasts } => {
                for pipe in chosen(&mut self.pipes, *way) {
                    pipe.interrupt(Instant::now(), *lasts);
                }
            }
            Change::Preset { name } => {
                let preset = presets().into_iter().find(|preset| preset.name == name);
                let preset = preset.ok_or_else(|| format!("no preset {name}; known: {}", names()))?;
                let [up, down] = &mut self.pipes;
                up.set(preset.link.up);
                down.set(preset.link.down);
                self.handover = preset.handover.map(|handover| {
                    let first = Instant::now() + handover.every;
                    (handover, first)
                });
            }
        }
        Ok(())
    }

    pub fn seen(&self) -> [Seen; 2] {
        std::array::from_fn(|way| Seen {
            counters: self.pipes[way].counters(),
            in_flight: self.pipes[way].in_flight() as u64,
            refused: self.refused[way],
        })
    }

    fn hand_over(&mut self, now: Instant) {
        let Some((handover, due)) = self.handover.as_mut().filter(|(_, due)| *due <= now) else { return };
        *due += handover.every;
        for pipe in &mut self.pipes {
            pipe.interrupt(now, handover.gap);
            let range = &handover.delay;
            let delay = range.start + (range.end - range.start).mul_f64(self.rng.f64());
            pipe.set(Spec { delay, ..pipe.spec().clone() });
        }
    }
}

fn chosen<T>(pipes: &mut [T; 2], way: Option<Way>) -> impl Iterator<Item = &mut T> {
    pipes
        .iter_mut()
        .zip(WAYS)
        .filter(move |(_, (_, this, ..))| way.is_none_or(|way| way == *this))
        .map(|(pipe, _)| pipe)
}

fn names() -> String {
    presets().map(|preset| preset.name).join(", ")
}
