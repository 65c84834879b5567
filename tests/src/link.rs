use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Result;
use crate::error::Doing;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As fast as the machine.
    Open,
    /// Every byte comes `latency` later, and no more than this many come in a second.
    Slow {
        /// One way.
        latency: Duration,
        /// Each way.
        bytes_per_second: u32,
    },
    /// Nothing comes through, and nobody is told: a cable pulled out behind a switch.
    Silent,
    /// Connections are closed, and new ones are closed at once.
    Cut,
    /// New connections that ask to become a WebSocket are refused, as some proxies do.
    NoSockets,
    /// Whatever is asked for is answered with a page of its own, as where one has to sign in first; except for the file of this
    /// path. What was open is closed.
    SignIn(&'static str),
}

/// What has come through a link, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// To the relay.
    pub up: u64,
    /// From the relay.
    pub down: u64,
}

/// A link between browsers and the relay. Browsers know the relay by the link's address.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    condition: watch::Sender<Condition>,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
}

impl Link {
    /// An open link that leads nowhere yet: what comes before [`Link::lead_to`] is closed.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.doing("open a link")?;
        let address = listener.local_addr().doing("open a link")?;
        let target = watch::Sender::new(None);
        let condition = watch::Sender::new(Condition::Open);
        let counters = Arc::new(Counters::default());
        let accepting = tokio::spawn(accept(
            listener,
            target.subscribe(),
            condition.subscribe(),
            counters.clone(),
        ));
        Ok(Self {
            address,
            target,
            condition,
            counters,
            accepting,
        })
    }

    /// Sets where new connections go.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// The link's address as a browser sees it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what the link does, from now on.
    pub fn set(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.set(Condition::Cut);
    }

    /// Makes it whole again.
    pub fn restore(&self) {
        self.set(Condition::Open);
    }

    /// What has come through so far.
    pub fn carried(&self) -> Carried {
        Carried {
            up: self.counters.up.load(Ordering::Relaxed),
            down: self.counters.down.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Connections end because their watch channel closes.
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: watch::Receiver<Option<SocketAddr>>,
    condition: watch::Receiver<Condition>,
    counters: Arc<Counters>,
) {
    while let Ok((near, _)) = listener.accept().await {
        let target = *target.borrow();
        let cut = *condition.borrow() == Condition::Cut;
        if let (Some(target), false) = (target, cut) {
            tokio::spawn(connect(near, target, condition.clone(), counters.clone()));
        }
    }
}

/// The head of a connection's first request, as far as it came.
async fn first_head(near: &TcpStream) -> String {
    let mut head = vec![0; 16 * 1024];
    let mut seen = 0;
    loop {
        match near.peek(&mut head).await {
            // What was seen before is seen again until more has come.
            Ok(length) if length > seen => seen = length,
            Ok(1..) => sleep(Duration::from_millis(1)).await,
            Ok(0) | Err(_) => return String::new(),
        }
        let text = String::from_utf8_lossy(&head[..seen]);
        if let Some(end) = text.find("\r\n\r\n") {
            return text[..end + 4].to_owned();
        }
        if seen == head.len() {
            return text.into_owned();
        }
    }
}

/// Answers the first request and closes.
async fn answer(mut near: TcpStream, answer: &str) {
    // A connection that is closed with something unread is reset, and the answer may go with it.
    let mut unread = [0; 16 * 1024];
    while matches!(near.try_read(&mut unread), Ok(1..)) {}
    // Whoever asked may be gone.
    near.write_all(answer.as_bytes()).await.ok();
}

const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const SIGN_IN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 29\r\nconnection: close\r\n\r\n<title>Please sign in</title>";

async fn connect(
    mut near: TcpStream,
    target: SocketAddr,
    condition: watch::Receiver<Condition>,
    counters: Arc<Counters>,
) {
    let now = *condition.borrow();
    let mut rewritten = None;
    if now == Condition::NoSockets {
        let head = first_head(&near).await.to_lowercase();
        if head.contains("upgrade: websocket") {
            return answer(near, FORBIDDEN).await;
        }
    } else if let Condition::SignIn(except) = now {
        let head = first_head(&near).await;
        if !head.starts_with(&format!("GET {except} ")) {
            return answer(near, SIGN_IN).await;
        }
        // Another request on the same connection would come through as well.
        if near.read_exact(&mut vec![0; head.len()]).await.is_err() {
            return;
        }
        rewritten = Some(head.replace("keep-alive", "close"));
    }
    // A relay that is down closes the connection, as it would without a link between.
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    if let Some(head) = rewritten
        && far.write_all(head.as_bytes()).await.is_err()
    {
        return;
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let mut until_cut = condition.clone();
    tokio::select! {
        () = async {
            tokio::join!(
                carry(near_read, far_write, condition.clone(), &counters.up),
                carry(far_read, near_write, condition.clone(), &counters.down),
            );
        } => {}
        // Also when the link itself is gone.
        _ = until_cut.wait_for(|is| *is == Condition::Cut || *is != now && matches!(is, Condition::SignIn(_))) => {}
    }
}

/// Carries bytes one way until one side closes; then the other side sees the end too.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut condition: watch::Receiver<Condition>,
    counter: &AtomicU64,
) {
    let (in_flight, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let reading_condition = condition.clone();
    let reading = async move {
        let mut buffer = vec![0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = match *reading_condition.borrow() {
                Condition::Slow { latency, .. } => Instant::now() + latency,
                _ => Instant::now(),
            };
            if in_flight.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            if condition
                .wait_for(|condition| *condition != Condition::Silent)
                .await
                .is_err()
            {
                break;
            }
            let now = *condition.borrow_and_update();
            if let Condition::Slow { bytes_per_second, .. } = now {
                pace(bytes.len(), bytes_per_second).await;
            }
            counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // The other side may be gone already; then there is nobody to tell.
        to.shutdown().await.ok();
    };
    tokio::join!(reading, writing);
}

async fn pace(length: usize, bytes_per_second: u32) {
    sleep(Duration::from_secs_f64(
        length as f64 / f64::from(bytes_per_second.max(1)),
    ))
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        address
    }

    async fn link_to_echo() -> Link {
        let link = Link::new().await.unwrap();
        link.lead_to(echo().await);
        link
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        timeout(Duration::from_secs(10), stream.read(&mut [0; 16]))
            .await
            .unwrap()
            .map_or(true, |length| length == 0)
    }

    async fn say(stream: &mut TcpStream, words: &[u8]) -> Vec<u8> {
        stream.write_all(words).await.unwrap();
        let mut answer = vec![0; words.len()];
        timeout(Duration::from_secs(10), stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }

    #[tokio::test]
    async fn an_open_link_carries_both_ways_and_counts() {
        let link = link_to_echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(say(&mut stream, b"bonjour").await, b"bonjour");
        assert_eq!(link.carried(), Carried { up: 7, down: 7 });
        stream.shutdown().await.unwrap();
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn a_cut_closes_what_is_open_and_what_comes_until_it_is_restored() {
        let link = link_to_echo().await;
        let mut before = TcpStream::connect(link.address).await.unwrap();
        say(&mut before, b"1").await;
        link.cut();
        assert!(is_closed(&mut before).await);
        let mut during = TcpStream::connect(link.address).await.unwrap();
        assert!(is_closed(&mut during).await);
        link.restore();
        let mut after = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(say(&mut after, b"2").await, b"2");
    }

    #[tokio::test]
    async fn sockets_are_refused_and_other_requests_are_not() {
        let link = link_to_echo().await;
        link.set(Condition::NoSockets);
        let mut socket = TcpStream::connect(link.address).await.unwrap();
        socket
            .write_all(b"GET /sync HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let mut request = TcpStream::connect(link.address).await.unwrap();
        let words = b"POST /sync HTTP/1.1\r\n\r\n";
        assert_eq!(say(&mut request, words).await, words);
    }

    #[tokio::test]
    async fn one_has_to_sign_in_for_all_but_one_file() {
        let link = link_to_echo().await;
        let mut before = TcpStream::connect(link.address).await.unwrap();
        say(&mut before, b"1").await;
        link.set(Condition::SignIn("/a.js"));
        assert!(is_closed(&mut before).await);
        let mut other = TcpStream::connect(link.address).await.unwrap();
        other
            .write_all(b"GET /b.js HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, SIGN_IN);
        let mut file = TcpStream::connect(link.address).await.unwrap();
        file.write_all(b"GET /a.js HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 41];
        file.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"GET /a.js HTTP/1.1\r\nConnection: close\r\n\r\n");
    }

    #[tokio::test]
    async fn a_silent_link_holds_everything_back_and_loses_nothing() {
        let link = link_to_echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        say(&mut stream, b"1").await;
        link.set(Condition::Silent);
        stream.write_all(b"held").await.unwrap();
        let mut answer = [0; 4];
        assert!(
            timeout(Duration::from_millis(200), stream.read_exact(&mut answer))
                .await
                .is_err()
        );
        link.restore();
        timeout(Duration::from_secs(10), stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&answer, b"held");
    }

    #[tokio::test]
    async fn a_slow_link_takes_its_time() {
        let link = link_to_echo().await;
        let latency = Duration::from_millis(100);
        link.set(Condition::Slow {
            latency,
            bytes_per_second: 100_000,
        });
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        let start = Instant::now();
        say(&mut stream, b"1").await;
        assert!(start.elapsed() >= latency * 2, "{:?}", start.elapsed());

        let start = Instant::now();
        say(&mut stream, &vec![7; 20_000]).await;
        assert!(
            start.elapsed() >= Duration::from_millis(300),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test]
    async fn a_link_to_a_relay_that_is_down_closes_the_connection() {
        let link = Link::new().await.unwrap();
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert!(is_closed(&mut stream).await);
        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        link.lead_to(gone);
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
}
