// For shell scripts: prints NAME=value of what cargo needs in its environment (often nothing); exit code 1 without cargo.

import { findCargo } from './cargo.mjs'

const env = findCargo()
if (env === undefined) process.exitCode = 1
else for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`)
