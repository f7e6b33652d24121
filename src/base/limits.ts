// Every limit and default, once: value, unit in the name, and why it is that. Settable ones are listed in config/.

export const limits = {
  link: {
    /** What a stranger may cost before it has proved who it is: the control stream and one spare, 64 KiB. */
    stranger: { streams: 2, creditBytes: 64 * 1024, datagramBytes: 0 },
    /** What an authenticated peer may cost: 4,096 visitors at once; 96 MiB fills 1 Gbit/s at 750 ms. */
    authenticated: { streams: 4096, creditBytes: 96 * 1024 * 1024, datagramBytes: 1024 * 1024 },
    /** From the first packet to an authenticated session; as long as slow satellite handshakes need. */
    handshakeMs: 10_000,
    /** How long close() waits for the peer before it lets go. */
    closeMs: 2_000,
    /** Links that a listener holds between handshake and accept; further ones are refused. */
    backlog: 64,
    /** A stream's window: at least, and at most while few streams are open. */
    streamWindowMinBytes: 256 * 1024,
    streamWindowMaxBytes: 16 * 1024 * 1024,
    /** Streams that wait to be taken from the link's iterator. */
    streamBacklog: 1024,
    /** Largest piece handed to a reader at once, and the high-water mark of a stream's own buffers. */
    chunkBytes: 64 * 1024,
    highWaterBytes: 256 * 1024,
  },
} as const
