/** CI runs property tests with the same inputs each time, so that chance decides on no change; elsewhere each run has others. */
import fc from 'fast-check';

if (process.env.CI) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 20261129 });
