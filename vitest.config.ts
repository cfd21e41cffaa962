import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build-kernels.ts'],
    setupFiles: ['test/support/property-seed.ts'],
    testTimeout: 120_000,
    // Whoever comes first builds the program, the others wait for it.
    hookTimeout: 120_000,
    env: { LC_ALL: 'C', TZ: 'UTC' },
  },
});
