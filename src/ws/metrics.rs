//! What sockets tell about themselves, for whoever counts it.

/// Counts what happens on sockets. Called on every read and write, so it must be cheap.
pub trait SocketMetrics: Send + Sync {
    /// A handshake was accepted.
    fn opened(&self) {}
    /// An upgrade was refused with this HTTP status.
    fn refused(&self, status: u16) {
        let _ = status;
    }
    /// A socket is gone. `code` is that of the close frame that was sent or echoed; none when
    /// the connection just ended.
    fn closed(&self, code: Option<u16>) {
        let _ = code;
    }
    /// Bytes came in.
    fn read(&self, bytes: usize) {
        let _ = bytes;
    }
    /// So many frames were among them.
    fn received(&self, frames: usize) {
        let _ = frames;
    }
    /// Bytes went out, and with them the last bytes of so many frames.
    fn written(&self, frames: usize, bytes: usize) {
        let _ = (frames, bytes);
    }
    /// A frame was no command.
    fn malformed(&self) {}
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl SocketMetrics for NoMetrics {}
