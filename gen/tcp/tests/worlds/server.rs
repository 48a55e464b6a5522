//! The other side: smoltcp, a TCP of other people, which sends back what it gets.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

pub(crate) const PORT: u16 = 6_379;
pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// The server's card: frames in, frames out.
#[derive(Debug, Default)]
pub(crate) struct Card {
    pub received: std::collections::VecDeque<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
    mtu: usize,
}

pub(crate) struct Rx(Vec<u8>);
pub(crate) struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Rx(frame), Tx(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + 14;
        capabilities
    }
}

pub(crate) struct Server {
    pub card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    handles: Vec<SocketHandle>,
}

impl Server {
    /// A server for so many connections, with buffers of `window` bytes.
    pub(crate) fn new(
        address: std::net::IpAddr,
        connections: usize,
        window: usize,
        seed: u64,
    ) -> Self {
        let mut card = Card { mtu: 1_500, ..Card::default() };
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(MAC)));
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut card, Instant::ZERO);
        let bits = if address.is_ipv4() { 24 } else { 64 };
        interface.update_ip_addrs(|all| {
            all.push(IpCidr::new(IpAddress::from(address), bits)).unwrap();
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handles = (0..connections).map(|index| {
            let buffer = || tcp::SocketBuffer::new(vec![0; window]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            socket.set_ack_delay(Some(Duration::from_millis(10)));
            socket.listen(PORT + index as u16).unwrap();
            sockets.add(socket)
        });
        let handles = handles.collect();
        Self { card, interface, sockets, handles }
    }

    pub(crate) fn poll(&mut self, now_ns: u64) {
        let now = Instant::from_micros((now_ns / 1_000) as i64);
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        for (index, handle) in self.handles.iter().enumerate() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(*handle);
            while socket.can_recv() && socket.can_send() {
                let room = socket.send_capacity() - socket.send_queue();
                let data = socket
                    .recv(|data| {
                        let some = data.len().min(room);
                        (some, data[..some].to_vec())
                    })
                    .unwrap();
                socket.send_slice(&data).unwrap();
            }
            if socket.state() == tcp::State::CloseWait && !socket.can_recv() {
                socket.close();
            }
            if socket.state() == tcp::State::Closed {
                socket.listen(PORT + index as u16).unwrap();
            }
        }
        self.interface.poll(now, &mut self.card, &mut self.sockets);
    }

    pub(crate) fn next_at(&mut self, now_ns: u64) -> u64 {
        let now = Instant::from_micros((now_ns / 1_000) as i64);
        let delay = self.interface.poll_delay(now, &self.sockets);
        delay.map_or(u64::MAX, |delay| now_ns + delay.total_micros().max(1) * 1_000)
    }
}
