//! Published ports: connections to an address of the host go on to the container.
//!
//! Plain relays in the process that looks after the container. No firewall rules, so loopback works, and nothing is
//! left when that process dies.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One port of the host that leads to one of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Address of the host; `0.0.0.0` is all.
    pub host: IpAddr,
    /// Port of the host; 0 takes a free one.
    pub host_port: u16,
    /// Port of the container.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// How packets are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Ports that are open. Dropping it closes them; connections end with their ends.
#[derive(Debug)]
pub struct Proxy {
    ports: Vec<Publish>,
    stop: Arc<AtomicBool>,
}

enum Open {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Ports that are taken, before there is a container to lead to: a port in use must fail before anything starts.
#[derive(Default)]
pub struct Reserved(Vec<(Publish, Open)>);

impl Reserved {
    /// Takes one more.
    ///
    /// # Errors
    /// In docker's words, when it is in use.
    pub fn add(&mut self, port: Publish) -> Result<()> {
        let at = SocketAddr::new(port.host, port.host_port);
        let failed = |why: io::Error| {
            let reason = match why.kind() {
                io::ErrorKind::AddrInUse => "port is already allocated".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    format!("{why}: ports below the sysctl net.ipv4.ip_unprivileged_port_start are for root alone")
                }
                _ => why.to_string(),
            };
            Error::invalid("published port", at.to_string(), reason)
        };
        let (open, actual) = match port.protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(at).map_err(failed)?;
                let actual = listener.local_addr().map_err(failed)?;
                (Open::Tcp(listener), actual)
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(at).map_err(failed)?;
                let actual = socket.local_addr().map_err(failed)?;
                (Open::Udp(socket), actual)
            }
        };
        self.0.push((Publish { host_port: actual.port(), ..port }, open));
        Ok(())
    }

    /// The ports, with the numbers that they got.
    pub fn ports(&self) -> Vec<Publish> {
        self.0.iter().map(|(port, _)| *port).collect()
    }

    /// Leads them to the container at `address`. Each runs in a thread of its own.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn lead_to(self, address: Ipv4Addr) -> Result<Proxy> {
        self.lead(address, &Side::Host)
    }

    /// As [`Self::lead_to`], for an address that is the container's only inside of its network namespace, which the
    /// process may join.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn lead_into(self, namespace: OwnedFd, address: Ipv4Addr) -> Result<Proxy> {
        self.lead(address, &Side::Inside(Arc::new(namespace)))
    }

    fn lead(self, address: Ipv4Addr, side: &Side) -> Result<Proxy> {
        // Each connection takes two descriptors, and the usual limit is for programs that have few.
        crate::rlimit::raise_files();
        let stop = Arc::new(AtomicBool::new(false));
        let ports = self.ports();
        for (port, open) in self.0 {
            let to = SocketAddr::new(address.into(), port.port);
            let (stop, side) = (Arc::clone(&stop), side.clone());
            let run = move || match open {
                Open::Tcp(listener) => accept(&listener, to, &side, &stop),
                Open::Udp(socket) => relay_datagrams(&Arc::new(socket), to, &side, &stop),
            };
            spawn(run).map_err(Error::system("start a thread"))?;
        }
        Ok(Proxy { ports, stop })
    }
}

/// Where the address of a container is the container's.
#[derive(Debug, Clone)]
enum Side {
    Host,
    Inside(Arc<OwnedFd>),
}

impl Side {
    /// Opens a socket there. A socket stays where it was made, so only its making needs a thread that is inside.
    fn open<T: Send>(&self, open: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let Self::Inside(namespace) = self else { return open() };
        let inside = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            open()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, inside)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Proxy {
    /// The ports, with the numbers that they got.
    pub fn ports(&self) -> &[Publish] {
        &self.ports
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for port in &self.ports {
            // Wakes the thread, which then sees that it is to stop.
            let host = if port.host.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { port.host };
            let at = SocketAddr::new(host, port.host_port);
            match port.protocol {
                Protocol::Tcp => drop(TcpStream::connect_timeout(&at, Duration::from_millis(100))),
                Protocol::Udp => drop(UdpSocket::bind((host, 0)).and_then(|socket| socket.send_to(&[], at))),
            }
        }
    }
}

fn accept(listener: &TcpListener, to: SocketAddr, side: &Side, stop: &AtomicBool) {
    loop {
        let accepted = listener.accept();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        match accepted {
            Ok((client, _)) => {
                let side = side.clone();
                drop(spawn(move || drop(relay(&client, to, &side))));
            }
            // Out of descriptors, most likely: the next may fare better, but not at once.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn relay(client: &TcpStream, to: SocketAddr, side: &Side) -> io::Result<()> {
    let server = side.open(|| TcpStream::connect_timeout(&to, CONNECT_TIMEOUT))?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    spawn(move || pump(&from_server, &to_client))?;
    pump(client, &server);
    Ok(())
}

/// One direction until its end, which is passed on.
fn pump(from: &TcpStream, to: &TcpStream) {
    let (mut reader, mut writer) = (from, to);
    // The standard library splices here, so no byte passes through this process.
    let _ = io::copy(&mut reader, &mut writer);
    let _ = to.shutdown(Shutdown::Write);
}

/// Each client gets a socket of its own towards the container, so that answers find back.
fn relay_datagrams(socket: &Arc<UdpSocket>, to: SocketAddr, side: &Side, stop: &AtomicBool) {
    let clients: Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>> = Arc::default();
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        let received = socket.recv_from(&mut buffer);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok((length, client)) = received else { continue };
        let mut known = clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let server = match known.get(&client) {
            Some(server) => Arc::clone(server),
            None if known.len() >= MAX_CLIENTS => continue,
            None => {
                let bound = side.open(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)));
                let Ok(server) = bound.map(Arc::new) else { continue };
                if server.connect(to).is_err() || server.set_read_timeout(Some(IDLE)).is_err() {
                    continue;
                }
                known.insert(client, Arc::clone(&server));
                let (back, answers, clients) = (Arc::clone(socket), Arc::clone(&server), Arc::clone(&clients));
                let answer = move || {
                    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
                    // Nothing for a while: the client is gone.
                    while let Ok(length) = answers.recv(&mut buffer) {
                        let _ = back.send_to(&buffer[..length], client);
                    }
                    clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&client);
                };
                if spawn(answer).is_err() {
                    known.remove(&client);
                    continue;
                }
                server
            }
        };
        drop(known);
        let _ = server.send(&buffer[..length]);
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("port".to_owned()).stack_size(STACK_BYTES).spawn(run).map(drop)
}

/// 128 KiB: relays need next to no stack, and a thousand connections are to cost little.
const STACK_BYTES: usize = 128 << 10;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that UDP has.
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// 90 s without an answer: docker's.
const IDLE: Duration = Duration::from_secs(90);
/// Clients of one UDP port at a time; more wait until others are gone.
const MAX_CLIENTS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn reserved(port: Publish) -> Reserved {
        let mut reserved = Reserved::default();
        reserved.add(port).unwrap();
        reserved
    }

    fn publish(host_port: u16, port: u16, protocol: Protocol) -> Publish {
        Publish { host: Ipv4Addr::LOCALHOST.into(), host_port, port, protocol }
    }

    #[test]
    fn connections_go_through_and_ports_close() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let proxy = reserved(publish(0, port, Protocol::Tcp)).lead_to(Ipv4Addr::LOCALHOST).unwrap();
        let front = proxy.ports()[0].host_port;
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, front)).unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut inside, _) = server.accept().unwrap();
        let mut text = String::new();
        inside.read_to_string(&mut text).unwrap();
        inside.write_all(b"answer").unwrap();
        drop(inside);
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "questionanswer");
        let taken = Reserved::default().add(publish(front, 1, Protocol::Tcp)).unwrap_err().to_string();
        assert!(taken.contains("port is already allocated"), "{taken}");
    }

    #[test]
    fn datagrams_find_their_way_back() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let proxy = reserved(publish(0, port, Protocol::Udp)).lead_to(Ipv4Addr::LOCALHOST).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(b"ping", (Ipv4Addr::LOCALHOST, proxy.ports()[0].host_port)).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        server.send_to(&buffer[..length], from).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    }
}
