// Node as a peer of Pith's interop tests. What it takes and prints: peers/program/src/lib.rs.
'use strict';
const fs = require('node:fs');
const tls = require('node:tls');

const [role, ...rest] = process.argv.slice(2);
const options = {};
for (let at = 0; at < rest.length; at += 2) options[rest[at].replace(/^--/, '')] = rest[at + 1];
const file = (name) => (options[name] ? fs.readFileSync(options[name]) : undefined);
const print = (line) => fs.writeSync(1, `${line}\n`);
const fail = (error) => {
  print(`error ${String(error && error.message).replaceAll('\n', ' ')} ${(error && error.code) || ''}`);
  process.exit(1);
};
setTimeout(() => fail(new Error('nothing happens')), 60_000).unref();

// No option of Node says who closed in which way: a `close` before an `end` is what a lost connection looks like.
function talk(socket) {
  print(`exporter ${socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding').toString('hex')}`);
  const group = socket.getEphemeralKeyInfo();
  // Only a client of Node's knows, and in OpenSSL's names: X25519 or prime256v1.
  if (group && group.name) print(`group ${group.name}`);
  print(`protocol ${socket.getProtocol()}`);
  print(`resumed ${socket.isSessionReused()}`);
  if (socket.alpnProtocol) print(`alpn ${socket.alpnProtocol}`);
  const peer = socket.getPeerCertificate();
  if (peer && peer.raw) print(`peer ${peer.raw.toString('hex')}`);
  print('open');
  let pending = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    for (let end; (end = pending.indexOf(10)) >= 0; pending = pending.subarray(end + 1)) {
      const line = pending.subarray(0, end + 1);
      if (line.equals(Buffer.from('close\n'))) socket.end();
      else if (line.equals(Buffer.from('update\n'))) fail(new Error('Node has no call for it'));
      else socket.write(Buffer.from(line));
    }
  });
  let ended = false;
  socket.on('end', () => { ended = true; socket.end(); });
  socket.on('close', () => { print(ended ? 'closed' : 'truncated'); process.exit(0); });
}

const common = {
  cert: file('cert'),
  key: file('key'),
  ca: file('ca'),
  ecdhCurve: options.groups || 'X25519MLKEM768',
  ALPNProtocols: options.alpn ? [options.alpn] : undefined,
  minVersion: 'TLSv1.3',
  ticketKeys: file('tickets'),
  session: file('session-in'),
  certificateCompression: options.compress ? [options.compress] : undefined,
  // On standard error. Nothing else says how a certificate was sent.
  enableTrace: options.compress !== undefined,
};
for (const name of ['early', 'early-data', 'psk']) {
  if (options[name]) fail(new Error(`Node has no call for --${name}`));
}
if (role === 'server') {
  const asks = options.ca !== undefined;
  const server = tls.createServer({ ...common, requestCert: asks, rejectUnauthorized: asks }, (socket) => {
    socket.on('error', fail);
    talk(socket);
  });
  server.on('tlsClientError', fail);
  server.on('OCSPRequest', (certificate, issuer, answer) => answer(null, file('staple')));
  server.listen(0, '127.0.0.1', () => print(`ACCEPT 127.0.0.1:${server.address().port}`));
} else {
  const requestOCSP = options.status !== undefined;
  const socket = tls.connect({
    ...common, host: '127.0.0.1', port: Number(options.port), servername: options.name, requestOCSP,
  });
  socket.on('error', fail);
  socket.on('OCSPResponse', (staple) => { if (staple) print(`staple ${staple.toString('hex')}`); });
  socket.on('session', (session) => {
    if (options['session-out']) fs.writeFileSync(options['session-out'], session);
  });
  socket.on('secureConnect', () => talk(socket));
}
