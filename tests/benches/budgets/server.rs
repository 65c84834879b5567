//! The relay under measurement, on processors of its own where there are several.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use protocol::identity::MemberKeys;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tests::{PATIENCE, Relay};

use crate::Result;
use crate::client::Client;
use crate::report::Measurement;

/// A relay in its own process, and where it runs.
pub(crate) struct Server {
    relay: Relay,
    /// How relay and clients share the processors, in words.
    pub(crate) placement: String,
}

/// Runs a measurement with a relay that has these options and all processors but one, and clients that have that one.
pub(crate) fn beside_relay<M>(options: &[&str], measure: M) -> Result<Vec<Measurement>>
where
    M: AsyncFnOnce(&mut Server) -> Result<Vec<Measurement>> + Send,
{
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            allow_many_sockets()?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut server = start(options).await?;
                measure(&mut server).await
            })
        });
        thread.join().map_err(|_| "the measurement panicked")?
    })
}

/// A process inherits the processors of the thread that starts it.
async fn start(options: &[&str]) -> Result<Server> {
    // Clients say nothing while others get ready, and make no snapshots.
    let common = ["--idle", "3600", "--snapshot-after", "1000000"];
    let options: Vec<String> = common
        .iter()
        .chain(options)
        .map(|option| (*option).to_owned())
        .collect();
    let all = sched_getaffinity(None)?;
    let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    let Some((last, others @ [_, ..])) = numbers.split_last() else {
        return Ok(Server {
            relay: Relay::start(&options).await?,
            placement: "relay and clients share one core".to_owned(),
        });
    };
    sched_setaffinity(None, &set_of(others))?;
    let relay = Relay::start(&options).await?;
    sched_setaffinity(None, &set_of(&[*last]))?;
    Ok(Server {
        relay,
        placement: format!("relay on {} core(s), clients on another", others.len()),
    })
}

fn set_of(numbers: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for number in numbers {
        set.set(*number);
    }
    set
}

fn allow_many_sockets() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}

impl Server {
    pub(crate) async fn connect(&self, keys: &MemberKeys) -> Result<Client> {
        let address = self.relay.address();
        Client::connect(address, &format!("http://{address}"), keys).await
    }

    /// The processor time that the relay has used, all threads.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The second field is the program's name, in parentheses, and may hold anything.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        match (ticks.next(), ticks.next()) {
            (Some(Ok(user)), Some(Ok(system))) => {
                let per_second = rustix::param::clock_ticks_per_second();
                Ok(Duration::from_secs_f64(
                    (user + system) as f64 / per_second as f64,
                ))
            }
            _ => Err("the system does not say how long the relay ran".into()),
        }
    }

    /// The relay's memory that is resident, in KiB.
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(number.ok_or("the system does not say how much memory the relay has")?)
    }

    /// Starts the relay again, which keeps house then, and waits until it has let go what folds took the place of.
    pub(crate) async fn keep_house(&mut self) -> Result<()> {
        self.relay.stop().await?;
        // It counts in whole seconds, and lets go what is older than now.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.relay.start_again().await?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let database = self.database()?;
            let kept: i64 = database.query_row("SELECT count(*) FROM covered", [], |row| row.get(0))?;
            if kept == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the relay does not let go what folds took the place of".into())
    }

    fn database(&self) -> Result<Connection> {
        let path = self.relay.data().join("relay.sqlite");
        Ok(Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?)
    }

    /// The bytes of the relay's database that hold something.
    pub(crate) fn stored_bytes(&self) -> Result<usize> {
        let database = self.database()?;
        let number = |pragma| database.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let bytes = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
        Ok(usize::try_from(bytes)?)
    }

    fn read(&self, file: &str) -> Result<String> {
        let process = self.relay.process_id().ok_or("the relay is gone")?;
        Ok(fs::read_to_string(format!("/proc/{process}/{file}"))?)
    }
}
