//! Hosts and routers in a tree, with a link from each to the one above it. A packet climbs to where the two routes meet
//! and goes down from there; flows share the links that their routes have in common, so a bottleneck is a router's link.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use fastrand::Rng;

use crate::directory::Directory;
use crate::loss::Loss;
use crate::nat::Nat;
use crate::pipe::Pipe;
use crate::spec::Link;

/// A router or a host of one `Net`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(usize);

/// A direction of a node's link: up is towards the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// What reached a host. `from` is what the host sees, NAT applied; `to` is its own address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub at: Instant,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    target: usize,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    parent: usize,
    /// Up and down; the core's are never used.
    pipes: [Pipe<Packet>; 2],
}

/// The network. Time is `now()`: what the last call said, and it never runs backwards.
#[derive(Debug)]
pub struct Net {
    start: Instant,
    now: Instant,
    seeds: Rng,
    nodes: Vec<Entry>,
    directory: Directory,
    /// The next arrival of each pipe that has one.
    due: BTreeSet<(Instant, usize, usize)>,
    /// At their hosts and not yet asked for.
    arrived: VecDeque<Delivery>,
}

const UP: usize = 0;
const DOWN: usize = 1;

impl Net {
    /// The root of the tree.
    pub const CORE: Node = Node(0);

    pub fn new(start: Instant, seed: u64) -> Self {
        let mut net = Self {
            start,
            now: start,
            seeds: Rng::with_seed(seed),
            nodes: Vec::new(),
            directory: Directory::default(),
            due: BTreeSet::new(),
            arrived: VecDeque::new(),
        };
        net.router(Self::CORE, Link::ideal());
        net
    }

    /// A router below another, or below the core.
    pub fn router(&mut self, parent: Node, link: Link) -> Node {
        let pipes = [link.up, link.down].map(|spec| Pipe::new(spec, self.start, self.seeds.u64(..)));
        self.nodes.push(Entry { parent: parent.0, pipes });
        Node(self.nodes.len() - 1)
    }

    /// A host below a router, or below the core.
    pub fn host(&mut self, address: SocketAddr, parent: Node, link: Link) -> Node {
        let node = self.router(parent, link);
        self.readdress(node, address);
        node
    }

    /// The host moves to another address: what is under way to the old one vanishes, and a NAT makes a new mapping.
    pub fn readdress(&mut self, host: Node, address: SocketAddr) {
        self.directory.set_address(host.0, address);
    }

    /// Puts a NAT in front of a host, which cannot be reached by its own address from then on.
    pub fn set_nat(&mut self, host: Node, nat: Nat) {
        self.directory.set_nat(host.0, nat);
    }

    pub fn nat(&self, host: Node) -> Option<&Nat> {
        self.directory.nat(host.0)
    }

    /// The host with the address `from` sends.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.advance(now);
        let (host, seen) = self.directory.outbound(now - self.start, from);
        self.send_spoofed(now, Node(host), seen, to, bytes);
    }

    /// A node sends with whatever source it claims; no NAT sees it. Answers go to whom the source belongs to.
    pub fn send_spoofed(&mut self, now: Instant, node: Node, claimed: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.advance(now);
        if let Some(target) = self.directory.find(to) {
            self.forward(now, node.0, Packet { from: claimed, to, target, bytes });
        }
    }

    /// When the next packet arrives somewhere, be it at a router; `now()` if one waits to be delivered.
    pub fn next_event(&self) -> Option<Instant> {
        if self.arrived.is_empty() { self.due.first().map(|(at, _, _)| *at) } else { Some(self.now) }
    }

    /// The next packet that has reached a host by `now`; call until None.
    pub fn deliver(&mut self, now: Instant) -> Option<Delivery> {
        self.advance(now);
        self.arrived.pop_front()
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    /// One direction of the link above a node: its counters, its queue.
    pub fn pipe(&self, node: Node, way: Way) -> &Pipe<Packet> {
        &self.nodes[node.0].pipes[way as usize]
    }

    pub fn set_loss(&mut self, node: Node, way: Way, loss: Loss) {
        self.nodes[node.0].pipes[way as usize].set_loss(loss);
    }

    /// Packets that came to a NAT for a mapping that it had forgotten or never had.
    pub fn dropped_nat(&self) -> u64 {
        self.directory.dropped_nat
    }

    /// Packets for an address that nobody had, when they were sent or when they arrived.
    pub fn unroutable(&self) -> u64 {
        self.directory.unroutable
    }

    /// Moves what moves until `now`, in the order of time.
    pub(crate) fn advance(&mut self, now: Instant) {
        assert!(now >= self.now, "time runs backwards");
        self.now = now;
        while let Some((at, node, way)) = self.due.first().copied()
            && at <= now
        {
            let Some((_, packet)) = self.with_pipe(node, way, |pipe| pipe.pop(at)) else { return };
            let reached = if way == UP { self.nodes[node].parent } else { node };
            if reached != packet.target {
                self.forward(at, reached, packet);
            } else if let Some(to) = self.directory.admit(at - self.start, packet.target, packet.to) {
                self.arrived.push_back(Delivery { at, from: packet.from, to, bytes: packet.bytes });
            }
        }
    }

    fn forward(&mut self, at: Instant, here: usize, packet: Packet) {
        // The child of `here` on the way down to the target, if it is below.
        let mut below = packet.target;
        while below != 0 && self.nodes[below].parent != here {
            below = self.nodes[below].parent;
        }
        let (node, way) = if below == 0 || here == packet.target { (here, UP) } else { (below, DOWN) };
        self.with_pipe(node, way, |pipe| pipe.push(at, packet));
    }

    /// Keeps `due` true whatever the pipe does.
    fn with_pipe<T>(&mut self, node: usize, way: usize, act: impl FnOnce(&mut Pipe<Packet>) -> T) -> T {
        let pipe = &mut self.nodes[node].pipes[way];
        let before = pipe.next();
        let result = act(pipe);
        let after = pipe.next();
        if before != after {
            before.map(|at| self.due.remove(&(at, node, way)));
            after.map(|at| self.due.insert((at, node, way)));
        }
        result
    }
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Packet {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}
