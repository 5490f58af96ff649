#!/usr/bin/env -S node --expose-gc
// What Bedside's Socket.IO edge is measured against: Node's socket.io with the same events, as
// the seeds' servers do them. In its favour it stores nothing, checks no membership, tells nobody
// who joined, keeps nothing of the HTTP requests, and collects its garbage when asked to.
//
// PORT (0 for any), JWT_SECRET. Prints its address once it listens.

import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const secret = process.env.JWT_SECRET;
const http = createServer();
const io = new Server(http, { serveClient: false, transports: ['websocket'], pingInterval: 25_000, pingTimeout: 20_000 });
// As its documentation advises for many connections: the request is not needed any more.
io.engine.on('connection', (connection) => {
  connection.request = null;
});
const people = new Map(); // by id, as messages have them in them

/** The claims of an HS256 token that is signed with the secret and has not ended. */
function verified(token) {
  const [head, claims, signature] = String(token).split('.');
  const wanted = createHmac('sha256', secret).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature ?? '', 'base64url');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  if (JSON.parse(Buffer.from(head, 'base64url')).alg !== 'HS256') return null;
  const known = JSON.parse(Buffer.from(claims, 'base64url'));
  return known.exp > Date.now() / 1000 ? known : null;
}

io.use((socket, next) => {
  const claims = verified(socket.handshake.auth.token);
  if (!claims) {
    next(new Error('unauthorized'));
    return;
  }
  socket.data.user = { _id: claims.sub, fullname: claims.name, email: claims.email ?? null, role: claims.role };
  next();
});

io.on('connection', (socket) => {
  const me = socket.data.user;
  people.set(me._id, me);
  socket.join(`user-${me._id}`);

  // Seed 004.
  socket.on('send_message', ({ receiverId, content, messageType, fileUrl, fileName }, answer) => {
    const message = {
      _id: randomUUID(), sender: me, receiver: people.get(receiverId) ?? { _id: receiverId, fullname: '', email: null, role: null },
      content, messageType, fileUrl: fileUrl ?? null, fileName: fileName ?? null, isRead: false, createdAt: new Date(),
    };
    io.to(`user-${receiverId}`).emit('new_message', { message });
    io.to(`user-${me._id}`).emit('message_sent', { message });
    answer?.({ ok: true });
  });
  for (const [asked, told] of [['typing_start', 'typing_start'], ['typing_stop', 'typing_stopped']]) {
    socket.on(asked, ({ receiverId }) => io.to(`user-${receiverId}`).emit(told, { userId: me._id }));
  }

  // Seed 003.
  socket.on('join-chat', ({ chatId }, answer) => {
    socket.join(`chat-${chatId}`);
    answer?.({ ok: true });
  });
  socket.on('send-message', ({ chatId, content, type }, answer) => {
    const now = new Date();
    io.to(`chat-${chatId}`).emit('message-received', {
      id: randomUUID(), chatId, senderId: me._id, content, messageType: type, fileUrl: null, fileName: null, fileSize: null, mimeType: null, isRead: false,
      voiceDuration: null, isTranscribing: false, transcription: null, transcriptionSummary: null, callId: null, callType: null,
      createdAt: now, updatedAt: now, deletedAt: null,
    });
    answer?.({ ok: true });
  });
});

process.on('SIGUSR2', () => globalThis.gc?.());
http.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
