//! Servers that follow a script: they hang up, lose answers, and talk nonsense.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a decoy does with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Hangs up before it has read anything.
    HangUp,
    /// Reads a request and hangs up.
    Lose,
    /// Reads a request and answers this, byte for byte; then hangs up.
    Say(Vec<u8>),
    /// Reads a request, answers this, and then says nothing more for as long as the peer stays.
    FallSilent(Vec<u8>),
    /// Hands a request on to the real server and its answer back.
    Pass(SocketAddr),
    /// Hands a request on to the real server and loses the answer.
    LoseAnswer(SocketAddr),
}

/// A server that follows a script, one act for each connection, and is gone afterwards.
pub(crate) struct Decoy {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Decoy {
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let script: Vec<_> = script.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            for act in script {
                let (socket, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                play(act, socket).await;
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections it has had.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An answer with these headers and this body.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

async fn play(act: Act, mut socket: TcpStream) {
    if let Act::HangUp = act {
        return;
    }
    let request = read_message(&mut socket).await;
    match act {
        Act::HangUp | Act::Lose => {}
        Act::Say(answer) => {
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
        }
        Act::FallSilent(answer) => {
            socket.write_all(&answer).await.unwrap();
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
        Act::Pass(real) => socket.write_all(&ask(real, &request).await).await.unwrap(),
        Act::LoseAnswer(real) => drop(ask(real, &request).await),
    }
}

async fn ask(real: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(real).await.unwrap();
    socket.write_all(request).await.unwrap();
    read_message(&mut socket).await
}

/// Reads one request or answer whose length its headers say.
async fn read_message(socket: &mut TcpStream) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        let mut part = [0; 64 * 1024];
        let read = socket.read(&mut part).await.unwrap();
        message.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&message);
        if let Some(end) = text.find("\r\n\r\n") {
            let head = text[..end].to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            // The headers are plain, so characters and bytes are the same up to here.
            if message.len() >= end + 4 + length {
                return message;
            }
        }
        assert!(read > 0, "a message ends in the middle");
    }
}
