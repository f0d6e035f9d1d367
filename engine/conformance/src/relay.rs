//! A way over TCP that can be cut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Carries TCP connections to a server, and cuts them when it is told to: between transport and server it makes
/// [`TransportHarness::cut`](crate::TransportHarness::cut) one line. Dropping it cuts everything.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    /// Whether connections pass. Each holds a receiver for as long as it lasts.
    passes: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// A way to this server, at an address of its own on this host.
    ///
    /// # Errors
    /// [`io::Error`] if no port is free.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, passes) = (listener.local_addr()?, Arc::new(watch::Sender::new(true)));
        let gate = passes.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, gate.subscribe()));
            }
        });
        Ok(Self { address, passes, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and every new one at once. Returns when they are broken.
    pub async fn cut(&self) {
        self.passes.send_replace(false);
        self.passes.closed().await;
    }

    /// Lets new connections pass again.
    pub fn mend(&self) {
        self.passes.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.passes.send_replace(false);
    }
}

/// Carries one connection until it ends or is cut.
async fn carry(mut client: TcpStream, server: SocketAddr, mut passes: watch::Receiver<bool>) {
    let whole = async {
        let mut server = TcpStream::connect(server).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        biased;
        _ = passes.wait_for(|passes| !passes) => {}
        _ = whole => {}
    }
}
