/** Preloaded by loaded.ts: says at the end of the run which files were loaded, those of the bundle included. */
const { dirname, join } = require('node:path');

process.on('exit', () => {
  const files = Object.keys(require.cache);
  const loader = files.find((file) => file.endsWith('bundle/load.js'));
  const chunks = loader ? [...require(loader).chunks] : [];
  const named = (/** @type {[string, unknown][]} */ some) =>
    some.map(([id]) => join(dirname(loader ?? ''), id));
  process.stderr.write(
    `loaded: ${JSON.stringify({
      files: [...files, ...named(chunks)],
      rejected: named(chunks.filter(([, { script }]) => script.cachedDataRejected !== false)),
    })}\n`,
  );
});
