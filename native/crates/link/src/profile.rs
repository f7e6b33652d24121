//! What a link does with its path and what it keeps for it, as its own end chose. The peer hears nothing of it.

/// How late a packet may be beside others before it is held for lost (RFC 9002 §6.1). Too little sends on paths that
/// reorder what was not lost; too much finds losses late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reordering {
    /// Later packets that were acknowledged. KCP begins with so many and asks for more where packets were only late.
    pub packets: u32,
    /// Eighths of a round trip beyond one, to begin with and in the same way.
    pub slack: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    pub reordering: Reordering,
    /// The first congestion window.
    pub first_packets: u32,
    /// Kept for the peer until it has acknowledged them, at most.
    pub send_bytes: u64,
    /// Asked of the system for each of a socket's two buffers.
    pub socket_bytes: usize,
    /// What this end's half of the path is said to take, bytes a second: a guess to begin with.
    pub bandwidth: Option<u64>,
    /// No more than this ever leaves, bytes a second.
    pub bandwidth_limit: Option<u64>,
}

impl Profile {
    /// What tests of everything else have; a user's come from limits.ts.
    pub const DEFAULT: Self = Self {
        reordering: Reordering { packets: 3, slack: 1 },
        first_packets: 32,
        send_bytes: 64 * 1024 * 1024,
        socket_bytes: 8 * 1024 * 1024,
        bandwidth: None,
        bandwidth_limit: None,
    };
}
