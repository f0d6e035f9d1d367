//! Sockets that say exactly what they are told to.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long a socket is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// The head of a post of a hostile user, whose body takes so many bytes.
pub(crate) fn post(token: &str, route: &str, length: usize) -> String {
    format!(
        "POST /v1/spaces/{route} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/vnd.syncline.v1\r\ncontent-length: {length}\r\n\r\n"
    )
}

pub(crate) async fn connect(address: SocketAddr) -> Option<TcpStream> {
    timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()
}

/// A socket whose system takes next to nothing before it is read.
pub(crate) async fn connect_deaf(address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(4_096).ok()?;
    timeout(PATIENCE, socket.connect(address)).await.ok()?.ok()
}

/// Says something, as far as the peer takes it.
pub(crate) async fn say(socket: &mut TcpStream, text: &[u8]) -> bool {
    matches!(timeout(PATIENCE, socket.write_all(text)).await, Ok(Ok(())))
}

/// Waits until the peer has closed the connection, and gives the first line that it said.
pub(crate) async fn closed(socket: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let mut part = [0; 4_096];
    let listening = async {
        while let Ok(read) = socket.read(&mut part).await {
            if read == 0 {
                break;
            }
            if heard.len() < 256 {
                heard.extend_from_slice(&part[..read]);
            }
        }
    };
    timeout(PATIENCE, listening).await.ok()?;
    Some(String::from_utf8_lossy(&heard).lines().next().unwrap_or_default().to_owned())
}

/// The status of one answer, whose body is not waited for.
pub(crate) async fn status(socket: &mut TcpStream) -> Option<u16> {
    let mut part = [0; 1_024];
    let read = timeout(PATIENCE, socket.read(&mut part)).await.ok()?.ok()?;
    String::from_utf8_lossy(&part[..read]).split(' ').nth(1)?.parse().ok()
}

/// Asks for a path on a connection of its own, and gives the status.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let mut socket = connect(address).await?;
    say(&mut socket, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await;
    status(&mut socket).await
}
