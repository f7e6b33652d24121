// What a running petrel tells of itself, as it travels over the control socket and as `petrel status --json` prints it.
// What is not known is left out. The process that tells may be of another version than the one that reads.

import { z } from 'zod'

const counters = z.record(z.string(), z.number())

const link = z.object({
  transport: z.string(),
  /** host:port of the other end. */
  remote: z.string(),
  rttMs: z.number().optional(),
  minRttMs: z.number().optional(),
  /** Of what this end sent, 0 to 1; the other end knows of its own. */
  lossRatio: z.number().optional(),
  /** Bytes a second. */
  deliveryRate: z.number().optional(),
  cwndBytes: z.number().optional(),
  mtuBytes: z.number().optional(),
  sentBytes: z.number(),
  receivedBytes: z.number(),
  sentPackets: z.number().optional(),
  lostPackets: z.number().optional(),
  openStreams: z.number(),
  droppedDatagrams: z.number().optional(),
  congestionControl: z.string().optional(),
  /** What that end was told of its path; rates: bytes a second. */
  profile: z.string().optional(),
  bandwidth: z.number().optional(),
  bandwidthLimit: z.number().optional(),
  /** Bytes a second since the reading before; the reader's addition. */
  sentRate: z.number().optional(),
  receivedRate: z.number().optional(),
})

const proxy = z.object({
  name: z.string(),
  type: z.string(),
  /** host:port: on a server where it listens, on a client what visitors dial. */
  public: z.string().optional(),
  /** host:port, on the client; ":port" where only that is known. */
  service: z.string(),
  /** Why it is not served. */
  refused: z.string().optional(),
  active: z.number(),
  counters,
})

const session = z.object({
  /** On a server: the client's name. */
  client: z.string().optional(),
  since: z.string(),
  link,
  flows: counters,
  proxies: z.array(proxy),
})

const petrel = z.object({
  role: z.enum(['server', 'client']),
  version: z.string(),
  pid: z.number(),
  startedAt: z.string(),
  uptimeMs: z.number(),
  /** host:port: of a server where it listens, of a client what it dials. */
  server: z.string(),
  /** Of a server. */
  transports: z.array(z.string()).optional(),
  /** Of a client: connecting, serving, waiting, ended. */
  state: z.string().optional(),
  /** Why a client waits. */
  error: z.string().optional(),
  sessions: z.array(session),
})

/** What a process answers to `status`. */
export const statusAnswer = z.object({ status: petrel })

export type PetrelStatus = z.output<typeof petrel>
export type SessionReport = z.output<typeof session>
export type LinkReport = z.output<typeof link>
export type ProxyReport = z.output<typeof proxy>
