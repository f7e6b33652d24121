// Small breakages of the source, and the test that must catch each. `from` stands exactly once in `file`; `test` is a
// compiled file and the title of a test in it (ava's pattern: * for anything), or the name of a Rust test of `crate`.

const hello = 'dist/test/hostile/hello.test.js'
const frames = 'dist/test/hostile/frames.test.js'
const session = 'dist/test/transport/yamux/session.test.js'
const tcp = 'dist/test/proxy/tcp.test.js'
const base = 'dist/test/base/base.test.js'
const tunnel = 'dist/test/tunnel/tunnel.test.js'

export const mutants = [
  {
    break: 'a proof does not say whose it is',
    file: 'src/control/auth.ts',
    from: '.update(role)',
    to: ".update('client')",
    test: [hello, 'a hello with the proof that a server would send *'],
  },
  {
    break: 'a proof is not bound to its TLS session',
    file: 'src/control/auth.ts',
    from: 'link.exportKey(label, new Uint8Array(0), 32)',
    to: 'Buffer.from(label + String(link).slice(0, 0))',
    test: [hello, 'a hello that was right on another connection is refused'],
  },
  {
    break: 'the server does not look at the proof',
    file: 'src/control/handshake.ts',
    from: "return isSameProof(hello.token.proof, prove(link, client.token, 'client', hello)) ? client : undefined",
    to: 'return client',
    test: [hello, 'a hello with a proof of zeros *'],
  },
  {
    break: 'the client does not look at the proof',
    file: 'src/control/handshake.ts',
    from: 'if (isToken && !isSameProof(',
    to: 'if (!isToken && !isSameProof(',
    test: ['dist/test/tunnel/control.test.js', 'a server that accepts without knowing the token is found out*'],
  },
  {
    break: 'a pin is asked for and not compared',
    file: 'src/transport/tls.ts',
    from: 'if (shown !== undefined && samePin(shown, trust.pin)) return undefined',
    to: 'if (shown !== undefined) return undefined',
    test: ['dist/test/hostile/trust.test.js', 'tls: a server whose certificate has another pin*'],
  },
  {
    break: 'the checksum of a token does not count',
    file: 'src/base/token.ts',
    from: 'timingSafeEqual(bytes.subarray(32), checksum(bytes.subarray(0, 32)))',
    to: 'checksum(bytes).length > 0',
    test: [base, 'a token checks, and one with any character changed does not'],
  },
  {
    break: 'a half-close ends both directions',
    file: 'src/proxy/pump.ts',
    from: "else from.on('end', () => to.end())",
    to: "else from.on('end', () => to.destroy())",
    test: [tcp, 'a visitor that ends first still gets the whole answer'],
  },
  {
    break: 'a reset becomes a clean end',
    file: 'src/proxy/socket.ts',
    from: 'else socket.resetAndDestroy()',
    to: 'else socket.destroy()',
    test: [tcp, 'a service that breaks is an error at the visitor'],
  },
  {
    break: 'the deny list is not asked',
    file: 'src/proxy/visitors.ts',
    from: 'if (deny?.check(plain, family)) return false',
    to: 'if (deny?.check(plain, family)) deny.check(plain)',
    test: [tcp, 'addresses on the deny list, and those not on the allow list, are refused'],
  },
  {
    break: 'pieces of a payload wait for ever',
    file: 'src/wire/pieces.ts',
    from: 'if (now < unfinished.deadline) return',
    to: 'if (now >= 0) return',
    test: ['dist/test/wire/pieces.test.js', 'what is not whole in time is dropped and counted'],
  },
  {
    break: 'a frame may be as long as it says',
    file: 'src/wire/framer.ts',
    from: 'length === 0 || length > this.#mostBytes',
    to: 'length === 0',
    test: ['dist/test/wire/codec.test.js', 'a frame that is empty or too long is refused before it is held'],
  },
  {
    break: 'a message may have a tail',
    file: 'src/wire/fields.ts',
    from: 'if (this.left > 0) throw',
    to: 'if (this.left > 100) throw',
    test: ['dist/test/wire/codec.test.js', 'a message cut at any byte, or with a tail, is a protocol violation'],
  },
  {
    break: 'credit is not enforced',
    file: 'src/transport/yamux/window.ts',
    from: 'return this.received <= this.#limit',
    to: 'return true',
    test: [frames, 'a client that sends past the window of a visitor who does not read loses its link'],
  },
  {
    break: 'window updates are lost',
    file: 'src/transport/yamux/session.ts',
    from: 'channel.sendWindowBytes += delta',
    to: 'channel.sendWindowBytes += 0 * delta',
    test: ['dist/test/transport/memory.test.js', 'memory: an echo of 5000000 bytes comes back whole'],
  },
  {
    break: 'a stranger is read whatever waits',
    file: 'src/transport/yamux/session.ts',
    from: 'return this.#stranger && this.#unread >= this.#limits.creditBytes',
    to: 'return false',
    test: [session, 'a stranger is congested at its credit and not before'],
  },
  {
    break: 'streams of the wrong parity are taken',
    file: 'src/transport/yamux/session.ts',
    from: 'if (id % 2 !== this.#peerParity) throw',
    to: 'if (id % 2 === 5) throw',
    test: [frames, 'a stranger sends an opening with an even id*'],
  },
  {
    break: 'a name stays held after its proxy is gone',
    file: 'src/server/registry.ts',
    from: 'this.#names.delete(name)',
    to: 'this.#names.has(name)',
    test: ['dist/test/server/parts.test.js', 'names and ports are held once, and free after release'],
  },
  {
    break: 'the port after the range is allowed',
    file: 'src/control/policy.ts',
    from: 'port >= start && port <= end)',
    to: 'port >= start && port <= end + 1)',
    test: ['dist/test/hostile/registrations.test.js', 'a registration with the port above the range *'],
  },
  {
    break: 'backoff jitters down to nothing',
    file: 'src/base/backoff.ts',
    from: '(0.5 + this.#random() / 2)',
    to: 'this.#random()',
    test: [base, 'backoff doubles to its cap, jitters within the upper half and starts again'],
  },
  {
    break: 'who leaves the door still counts',
    file: 'src/base/admission.ts',
    from: 'this.#total--',
    to: 'this.#total += 0',
    test: [base, 'one network cannot take every place at the door'],
  },
  {
    break: 'a superseded client comes back',
    file: 'src/client/client.ts',
    from: "  'superseded',\n",
    to: '',
    test: [tunnel, 'memory: the same identity takes its names over, and the older one stops'],
  },
  {
    break: 'a missing heartbeat is forgiven',
    file: 'src/control/heartbeat.ts',
    from: 'setTimeout(this.#dead, limits.heartbeat.replyMs)',
    to: 'setTimeout(() => {}, limits.heartbeat.replyMs)',
    test: ['dist/test/control/heartbeat.test.js', 'a reply that is overdue is told once'],
  },
  {
    break: 'a peer may say that it took what was never sent',
    file: 'native/crates/streams/src/credit.rs',
    from: 'if taken > self.sent {',
    to: 'if taken > u64::MAX - 1 {',
    test: ['petrel-streams', 'limits_may_come_in_any_order_and_lies_are_noticed'],
  },
  {
    break: 'the last limit wins, not the highest',
    file: 'native/crates/streams/src/credit.rs',
    from: 'self.limit = self.limit.max(limit);',
    to: 'self.limit = limit;',
    test: ['petrel-streams', 'limits_may_come_in_any_order_and_lies_are_noticed'],
  },
  {
    break: 'what an ended stream was promised never comes back',
    file: 'native/crates/streams/src/credit.rs',
    from: 'budget.give(self.limit - self.taken);',
    to: '',
    test: ['petrel-streams', 'promises_never_exceed_the_budget_and_come_back'],
  },
]
