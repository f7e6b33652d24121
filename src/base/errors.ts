// The one error class and the closed list of its codes. A code is what programs test; the message is for people:
// lower case, names the thing and the value, says what to do.

/** Every code that petrel throws. Codes with a number in PROTOCOL.md ("Refusal codes") also travel on the wire. */
export type ErrorCode =
  | 'aborted' // the caller's AbortSignal fired
  | 'address_in_use' // the system refuses the port: somebody else holds it
  | 'auth_failed' // a credential was refused, or the peer's proof is wrong
  | 'certificate_untrusted' // pin, ca or roots do not vouch for the peer's certificate
  | 'closed' // used after close()
  | 'config_invalid' // configuration or flag that cannot be used as it stands
  | 'dial_taken' // another link of the same race was admitted
  | 'draining' // the peer is going down in good order and takes nothing new
  | 'internal' // a fault of ours
  | 'limit_exceeded' // a bound of base/limits.ts was reached
  | 'link_lost' // the link ended under what was using it
  | 'name_taken' // another identity holds this proxy name
  | 'native_missing' // quic and kcp need the addon, and it is not there
  | 'port_refused' // policy does not allow this port to this identity
  | 'port_taken' // another proxy holds this public port
  | 'protocol_violation' // the peer broke PROTOCOL.md, yamux or the like
  | 'service_unreachable' // the local target refuses or does not answer
  | 'stream_reset' // the peer reset the stream; resetCode tells why
  | 'superseded' // the same identity came back on a newer link
  | 'timeout' // a deadline passed
  | 'token_invalid' // not in the format that `petrel token` makes
  | 'unreachable' // the peer cannot be dialled
  | 'unsupported' // a feature that this transport or platform lacks

/** Where a fault lies: in petrel, in what the peer sent, between the two, or in what the user wrote. */
export type ErrorSource = 'us' | 'peer' | 'network' | 'config'

export class PetrelError extends Error {
  override readonly name = 'PetrelError'
  readonly code: ErrorCode
  readonly source: ErrorSource
  /** Of `stream_reset` only: the u32 code that the peer sent (see StreamReset). */
  readonly resetCode: number | undefined

  constructor(
    code: ErrorCode,
    source: ErrorSource,
    message: string,
    more: { cause?: unknown; resetCode?: number } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.source = source
    this.resetCode = more.resetCode
  }
}

/** Codes of a stream reset, u32 on the wire of every transport. Unknown codes are kept as they come. */
export const StreamReset = {
  cancelled: 1, // destroyed before its end, with no better reason
  protocol: 2, // bad header, or bytes where none may be
  visitorGone: 3, // the visitor's connection broke
  serviceGone: 4, // the service's connection broke
  serviceUnreachable: 5, // the service refused or did not answer
  unknownProxy: 6, // the header names a proxy that is not served here
  limit: 7, // a limit on streams, credit or memory
  idle: 8, // nothing moved for the idle timeout
} as const

/** Codes of a link's end, u32 on the wire. 0 to 2 are yamux's go-away codes. */
export const LinkEnd = {
  normal: 0,
  protocol: 1,
  internal: 2,
  refused: 0x100, // authentication failed, or the handshake deadline passed
  superseded: 0x101,
  idle: 0x102, // heartbeat or keep-alive unanswered
  limit: 0x103,
  draining: 0x104,
  lost: 0x105, // the carrier broke; never sent
} as const

export const isPetrelError = (value: unknown, code?: ErrorCode): value is PetrelError =>
  value instanceof PetrelError && (code === undefined || value.code === code)
