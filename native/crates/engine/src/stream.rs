//! One stream as both threads see it: what was received and not read, what was written and not sent, and credit.

use std::collections::VecDeque;

use bytes::Bytes;
use petrel_streams::{Budget, INITIAL_CREDIT, Reassembly, ReceiveCredit, SendCredit};

/// Bytes that wait here to be handed to the engine; more than this is backpressure for the writer.
pub(crate) const SEND_QUEUE_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fin {
    No,
    Asked,
    Sent,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) received: Reassembly,
    pub(crate) receive_credit: ReceiveCredit,
    /// FIN came and so did every byte before it.
    pub(crate) complete: bool,
    pub(crate) out: VecDeque<Bytes>,
    pub(crate) out_bytes: usize,
    pub(crate) fin: Fin,
    pub(crate) send_credit: SendCredit,
    /// In the link's queue of streams that have something to send.
    pub(crate) is_ready: bool,
    /// The reader found nothing and waits for an event.
    pub(crate) wants_read: bool,
    /// The writer found no room and waits for an event.
    pub(crate) wants_write: bool,
    /// Both directions ended before their time.
    pub(crate) reset: Option<u64>,
    /// The caller will not ask for it again.
    pub(crate) released: bool,
    /// Kept only to learn what the peer has taken.
    pub(crate) lingers: bool,
}

impl Stream {
    /// limit: what the peer announced before we knew the stream, if it did. unlimited: the peer has no credit.
    pub(crate) fn new(budget: &mut Budget, unlimited: bool, limit: Option<u64>) -> Self {
        let mut send_credit = SendCredit::new(unlimited);
        send_credit.heard(0, limit.unwrap_or(INITIAL_CREDIT));
        Self {
            received: Reassembly::default(),
            receive_credit: ReceiveCredit::new(budget),
            complete: false,
            out: VecDeque::new(),
            out_bytes: 0,
            fin: Fin::No,
            send_credit,
            is_ready: false,
            wants_read: true,
            wants_write: false,
            reset: None,
            released: false,
            lingers: false,
        }
    }

    /// Ends both directions; frees what they hold. False: it was over already.
    pub(crate) fn kill(&mut self, code: u64, budget: &mut Budget) -> bool {
        if self.reset.is_some() || (self.complete && self.fin == Fin::Sent) {
            return false;
        }
        self.reset = Some(code);
        self.received.clear();
        self.receive_credit.end(budget);
        self.out = VecDeque::new();
        self.out_bytes = 0;
        true
    }

    /// Nothing more will be sent or received.
    pub(crate) fn is_over(&self) -> bool {
        self.reset.is_some() || (self.complete && self.fin == Fin::Sent)
    }
}
