// The keys about the paths that links take, the same for server and client.

import { defaults, type ProfileName, profiles } from '../base/limits.js'
import type { PathSettings } from '../transport/transport.js'
import * as field from './fields.js'

const names = Object.keys(profiles) as [ProfileName, ...ProfileName[]]

export const pathKeys = {
  profile: field.choice(names).default(defaults.profile),
  bandwidth: field.rate.optional(),
  bandwidth_limit: field.rate.optional(),
}

interface PathKeys {
  readonly profile: ProfileName
  readonly bandwidth?: number | undefined
  readonly bandwidth_limit?: number | undefined
}

export const pathSettings = ({ profile, bandwidth, bandwidth_limit }: PathKeys): PathSettings => ({
  profile: profiles[profile],
  bandwidth,
  bandwidthLimit: bandwidth_limit,
})
