// Every limit and default, once: value, unit in the name, and why it is that. `defaults` holds what a
// configuration can set (the keys are in configs/), `limits` what is fixed.

export const limits = {
  /** After SIGINT or SIGTERM: how long visitors may finish, and when the process ends whatever still hangs. */
  stop: { graceMs: 2_500, atMostMs: 5_000 },
  link: {
    /** What a stranger may cost before it has proved who it is: the control stream and one spare, 64 KiB. */
    stranger: { streams: 2, creditBytes: 64 * 1024, datagramBytes: 0 },
    /** What an authenticated peer may cost: 4,096 visitors at once; 72 MiB fills 1 Gbit/s at 560 ms, and with what Node
     *  keeps beside it 64 readers that stop stay below 96 MiB. */
    authenticated: { streams: 4096, creditBytes: 72 * 1024 * 1024, datagramBytes: 1024 * 1024 },
    /** From the first packet to an authenticated session; as long as slow satellite handshakes need. */
    handshakeMs: 10_000,
    /** Waits for one address of a name before the next is tried; longer than a satellite's round trip. */
    addressAttemptMs: 2_000,
    /** How long close() waits for the peer before it lets go. */
    closeMs: 2_000,
    /** Links that a listener holds between handshake and accept; further ones are refused. */
    backlog: 64,
    /** A stream's window over tls, at most and while few streams are open; over quic and kcp a profile says it. */
    streamWindowMaxBytes: 16 * 1024 * 1024,
    /** Streams that wait to be taken from the link's iterator. */
    streamBacklog: 1024,
    /** Largest piece handed to a reader at once, and the high-water mark of a stream's own buffers. */
    chunkBytes: 64 * 1024,
    highWaterBytes: 256 * 1024,
  },
  race: {
    /** How long after the one before it each transport starts. kcp, on UDP as well: the usual step of RFC 8305 §5. tls, the
     *  fallback: longer, so that it wins where UDP is blocked and not wherever a round trip is long; and soon enough to
     *  serve within 2 s all the same. */
    startAfterMs: { quic: 250, kcp: 250, tls: 500, memory: 250 },
    /** The same between addresses of one name (RFC 8305 §5), and how many of them are tried. */
    nextAddressAfterMs: 250,
    addresses: 4,
    /** A transport that has failed while another is silent is tried again: a server that restarts is back in a moment,
     *  and who is blocked is silent for long. Not after the time that a silent one has. */
    again: { afterMs: 1_000, untilMs: 10_000 },
    /** When a person who waits is told that nobody has answered. */
    silentMs: 3_000,
    /** Dials that a server remembers, so that no late link of one takes a place again: ten returns of each of 1,000
     *  clients; 2 MiB. */
    remembered: 10_000,
  },
  yamux: {
    /** Header and payload of a data frame: a TLS record, so that one frame arrives as one piece. */
    frameBytes: 16 * 1024,
    /** Handed to the socket at once; the next stream's turn waits at most for this and the kernel's buffer. */
    flushBytes: 128 * 1024,
    /** How often the peer is asked for a sign of life, and how long it may be silent when asked. */
    keepAliveMs: 15_000,
    silenceMs: 10_000,
    /** How often the round trip is measured while bytes flow: windows grow by it. */
    measureMs: 1_000,
    /** A turn of the event loop at each end under load, which a ping over an idle link does not see. */
    turnsMs: 2,
    /** A reader's progress is reported each half window, at the latest each 512 KiB: twelve bytes for that many. */
    reportBytes: 512 * 1024,
    /** And after so long when it is less. */
    acknowledgeMs: 100,
    /** Opened streams that the peer has not yet accepted; its backlog of streams is as long. */
    unacceptedStreams: 1024,
    /** Resets that wait to be sent when the peer opens a stream; answers to pings that wait. */
    queuedResets: 8192,
    queuedPongs: 32,
    /** Frames of a kind that a peer may send in a second: ten times what 10,000 short streams a second need. */
    flood: {
      stranger: { pings: 20, opens: 100, resets: 100, updates: 400, empties: 20 },
      authenticated: { pings: 200, opens: 100_000, resets: 100_000, updates: 400_000, empties: 1_000 },
    },
  },
  tls: {
    /** Connections that have not yet proved who they are: in all, and from one /24 (IPv4) or /64 (IPv6). */
    strangers: { total: 1024, perNetwork: 128 },
    /** TCP's own keep-alive, for NATs that forget idle connections. */
    tcpKeepAliveMs: 15_000,
  },
  udp: {
    /** Over quic and kcp: silence that ends a link; the smaller of both ends' counts. Three questions fit into it. */
    idleMs: 15_000,
    keepAliveMs: 4_000,
    /** While something is in flight and nothing is heard: the longest wait between two probes, or two round trips where
     *  those are longer. A path that is back after 5 s at 200 ms moves within 0.7 s; doubled waits (RFC 9002 §6.2.1)
     *  took 5 s. One packet or two in each, at most 80 kbit/s until the idle time is over. Native: link/src/silence.rs. */
    probeMs: 300,
  },
  memory: {
    /** The largest datagram of a memory link, like a QUIC link over a path of 1,280 bytes. */
    datagramBytes: 1_200,
  },
  proxy: {
    /** From a data stream's arrival to its whole header, which leaves with the stream's first packet. */
    headerMs: 10_000,
    /** To connect to the service, name look-up included. */
    connectMs: 10_000,
    /** Visitors at once: of one proxy (as many as a link has streams), and of one source (IPv4 address or IPv6 /64). */
    connections: 4096,
    connectionsPerSource: 1024,
    /** RFC 5382 REQ-5: no shorter than 2 h 4 min, so that a peer's TCP keep-alive (2 h) comes first. */
    tcpIdleMs: 7_440_000,
    /** RFC 4787 REQ-5 asks for 2 minutes at least of a NAT; one is what tunnels and load balancers use. */
    udpIdleMs: 60_000,
    /** A UDP flow that was quiet for so long gives way to a new one when its source is at its cap, and how long a
     *  search for such a flow that found none is not repeated. A DNS query is over long before. */
    quietFlowMs: 5_000,
    quietSearchMs: 250,
    /** An idle timeout that a client may ask for: shorter ones cut healthy visitors and cost a timer that never rests. */
    shortestIdleMs: 100,
    /** Quiet before the first keep-alive probe of a TCP connection, and how often new connections are given one; finds dead
     *  visitors before a NAT forgets them. */
    keepAliveMs: 60_000,
    /** Bytes that Node holds for one socket in each direction before it stops the other side. */
    socketBufferBytes: 256 * 1024,
    /** The same towards a service, which is near and fast: with 256 KiB one upload over tls moves a seventh less. */
    serviceBufferBytes: 1024 * 1024,
    /** Pieces of at least so much wait for the end of the turn, or for others until they are so many bytes together, and
     *  then go to a socket in one system call. */
    gatherPieceBytes: 8 * 1024,
    gatherBytes: 64 * 1024,
    /** Flows that one link may hold, on the client a socket each. */
    flowsPerLink: 4096,
    /** Split payloads: half a second covers a reordering path; four of the largest a flow, 64 a link. */
    reassembly: { deadlineMs: 500, flowBytes: 256 * 1024, linkBytes: 4 * 1024 * 1024 },
    /** Flows on a stream: how long a payload may wait, how much may, and how late (beyond the path's best) the stream
     *  may be before nothing more is written. Late counts 100 ms of the acknowledgement's own delay. */
    flowDeadlineMs: 100,
    flowQueueBytes: 1024 * 1024,
    /** Closes that wait for a stream that does not move: those of a full table of flows, four times over. */
    flowCloses: 16 * 1024,
    flowLateMs: 200,
    flowRetryMs: 20,
    /** Asked of the system for UDP sockets (it may give less): of a public port, and of a flow's socket to its service. */
    publicSocketBytes: 4 * 1024 * 1024,
    flowSocketBytes: 1024 * 1024,
    /** Payloads that the system has not taken yet, and those that wait for the service's name to be looked up. */
    udpSendQueueBytes: 1024 * 1024,
    udpPendingPayloads: 64,
  },
  ports: {
    /** Free ones that are tried for a proxy before its client is told that there is none. */
    tries: 50,
    /** Numbers that are tried, where any free one will do, until every transport can listen on the same. */
    bindTries: 10,
    /** Proxies whose last port is remembered, so that a client that returns gets it again; a few MiB. */
    remembered: 10_000,
  },
  control: {
    /** Ranges of visitors that one registration may allow and deny, together. */
    visitorRanges: 256,
    /** Longest message: a registration with 256 ranges of visitors has 11 KiB. */
    messageBytes: 16 * 1024,
    /** Unsent control bytes before the peer counts as stuck. */
    queueBytes: 256 * 1024,
    /** How long the last word of a session may take to reach the peer before the link is closed. */
    lastWordMs: 1_000,
  },
  local: {
    /** The control socket: a request, and the time for it; how many may ask at once. */
    requestBytes: 1024,
    requestMs: 2_000,
    connections: 4,
    /** An answer, as it is read: 1,000 clients of 64 proxies each at 1 KiB. */
    answerBytes: 64 * 1024 * 1024,
    /** The time for an answer; a reload may look for another one to end, and closes sessions within 5 s. */
    answerMs: { status: 3_000, reload: 15_000, join: 3_000 },
    /** Between two readings of counters that make a rate, and between two pictures of `--watch`. */
    rateMs: 500,
    watchMs: 1_000,
  },
  log: {
    /** Lines about strangers and visitors, who could fill a disk: as many as a person reads, in each span. */
    sparing: { lines: 20, everyMs: 10_000 },
  },
  heartbeat: {
    /** Between heartbeats while visitors' streams are open, and while none is. */
    busyMs: 3_000,
    idleMs: 15_000,
    /** A reply later than this ends the link: ten round trips of a satellite, and a handover. */
    replyMs: 10_000,
  },
  /** How long visitors may go on after their client said that it is leaving. */
  drainMs: 5_000,
  /** A link that stood so long was sound: the next wait before dialling again is the first one. */
  steadyMs: 10_000,
} as const

const mebibyte = 1024 * 1024

/** What each end of a link has for the paths that its links take, by the name of its `profile:`. The peer's is its own
 *  affair: what an end holds, however its peer asks, is what the end's own profile says.
 *
 *  link: as limits.link.authenticated. windowBytes: of one stream of which a mebibyte was read, at most; all of these share
 *  half of creditBytes, and all that are open the other. reordering: a packet is lost when
 *  so many later ones, or one sent so many round trips later, were acknowledged; with kcp that is the beginning, and grows
 *  on paths where packets are only late. (RFC 9002's 3 and 1.125 had quic send 5 % twice where 5 % came 4 ms late, 32 and
 *  1.25 nothing; where nothing came late, both were equal.) firstPackets: the first congestion window. sendBytes: what a
 *  link keeps until its peer has it. socketBytes: asked of the system for each buffer of a UDP socket of links.
 *  handshakeMs: from the first packet to an authenticated session. */
export const profiles = {
  /** Any path up to 200 ms or so, and 1 Gbit/s. Of the packets of a second at 100 Mbit/s and 20 % loss one is lost six
   *  times and holds up what follows for eight round trips, 1.7 s at 200 ms: with windows of 12 MiB one stream moved
   *  56-66 Mbit/s once it was under way, with 32 MiB 72-77. */
  default: {
    name: 'default',
    link: limits.link.authenticated,
    windowBytes: 32 * mebibyte,
    reordering: { quic: { packets: 32, time: 1.25 }, kcp: { packets: 3, time: 1.125 } },
    firstPackets: 32,
    sendBytes: 64 * mebibyte,
    socketBytes: 8 * mebibyte,
    handshakeMs: limits.link.handshakeMs,
  },
  /** A geostationary satellite: 600 ms, 100 Mbit/s are 7.5 MB on the way. A byte that is lost twice holds up what follows
   *  for three round trips, and of many one is lost more often: one stream has thirteen, 96 MiB. (With the default's
   *  32 MiB it moves 80, 75 and 47 Mbit/s at 1, 5 and 20 % loss, with 96 MiB 82, 77 and 59.)
   *  Radio links send again what they lose, and so reorder. 128 packets begin where the default is after a round trip and
   *  more; over 600 ms they are 2.5 Mbit/s. Of 300 handshakes over quic at 20 % loss three took more than 10 s, one 13;
   *  with kcp 7 at most. Other deadlines hold: 15 s of silence are 20 round trips and more. */
  satellite: {
    name: 'satellite',
    link: { ...limits.link.authenticated, creditBytes: 288 * mebibyte },
    windowBytes: 96 * mebibyte,
    reordering: { quic: { packets: 128, time: 1.5 }, kcp: { packets: 128, time: 1.5 } },
    firstPackets: 128,
    sendBytes: 128 * mebibyte,
    socketBytes: 8 * mebibyte,
    handshakeMs: 20_000,
  },
  /** Routers and single-board computers: a transfer has 2 MiB, which fill 100 Mbit/s at 150 ms, and a link 8 MiB of what
   *  waits for readers, 8 MiB of what waits for its peer, and 512 visitors at once. */
  small: {
    name: 'small',
    link: { streams: 512, creditBytes: 8 * mebibyte, datagramBytes: 256 * 1024 },
    windowBytes: 2 * mebibyte,
    reordering: { quic: { packets: 32, time: 1.25 }, kcp: { packets: 3, time: 1.125 } },
    firstPackets: 32,
    sendBytes: 8 * mebibyte,
    socketBytes: mebibyte,
    handshakeMs: limits.link.handshakeMs,
  },
} as const

export type ProfileName = keyof typeof profiles
export type Profile = (typeof profiles)[ProfileName]

/** What a configuration gets that says nothing; config/ gives each of them a key. */
export const defaults = {
  profile: 'default',
  /** Where links are accepted: the server's `bind_port`, and what a client dials when it is told no port. */
  port: 9000,
  server: {
    bindAddress: '0.0.0.0',
    /** Where public ports come from: above what services use themselves, below what systems hand out for dialling. */
    portRange: { start: 20_000, end: 30_000 },
    limits: {
      clients: 1000,
      proxiesPerClient: 64,
      connectionsPerProxy: limits.proxy.connections,
      connectionsPerSource: limits.proxy.connectionsPerSource,
      /** A client registers everything at once on each return: every proxy it may have, and a few returns a minute. */
      registrationsPerMinute: 600,
      handshakeMs: limits.link.handshakeMs,
      /** Links in their handshake at once, in all and of one /24 or /64: strangers cost memory here. */
      handshakes: 512,
      handshakesPerNetwork: 64,
      tcpIdleMs: limits.proxy.tcpIdleMs,
      udpIdleMs: limits.proxy.udpIdleMs,
      link: limits.link.authenticated,
    },
  },
  client: {
    /** Waits before dialling again, jittered and doubled each time: quick after a hiccup, gentle after an outage. */
    reconnect: { firstMs: 500, longestMs: 30_000 },
    /** Whatever gets through first: UDP where it passes, TCP where it does not, without anybody's choosing. */
    transport: 'auto',
    service: { host: '127.0.0.1', connectTimeoutMs: limits.proxy.connectMs },
  },
  log: {
    level: 'info',
    rotateBytes: 10 * 1024 * 1024,
    rotateEvery: 'daily',
    keepFiles: 7,
  },
} as const
