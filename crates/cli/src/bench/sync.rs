//! Measures the first sync of a store: the lists of its platforms, until the record has every object of them.

use super::{
    cpu::{CpuSeconds, peak_memory_mib},
    day::{self, Day},
    figure, http,
    load_thread::LoadThread,
    machine::{Machine, MachineBefore},
    numbering,
};
use crate::{
    cli::{Output, SyncBench},
    dev::{
        Composition, Servers, Services,
        provision::{self, Wanted},
    },
    failure::Failed,
    output,
    table::{Table, left, right},
};
use fetch::ScheduledReads;
use model::{ConnectionId, MirrorKind};
use runner::Metrics;
use sandbox::Scratch;
use serde::Serialize;
use simulator::{ItemIds, NewVariant, Shop, SimulatedPlatform, Simulator, SimulatorOptions};
use std::{net::SocketAddr, time::Duration};
use store::Rules;
use tokio::time::{Instant, sleep};

/// The lists that a first sync consists of, where the platform has them.
const LISTS: [&str; 2] = ["products", "levels"];
/// Interval between two looks at the record.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time without a further page or outcome after which the measurement fails.
const STALLED: Duration = Duration::from_mins(5);
/// The pieces of each item.
pub(super) const PIECES: i64 = 100;
/// The price of each item.
const PRICE_MINOR: i64 = 1999;

/// The figures of one run.
#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    products: u32,
    seconds: f64,
    cpu_us_per_object: f64,
    /// The simulated shops are in the same process.
    memory_before_mib: u64,
    peak_memory_mib: u64,
    platforms: Vec<PlatformReport>,
    /// Of `--sales`.
    day: Option<Day>,
    machine: Machine,
}

/// The first sync of one platform.
#[derive(Debug, Serialize)]
struct PlatformReport {
    platform: &'static str,
    /// Time until its lists were read to their ends.
    seconds: f64,
    objects: u64,
    calls: u64,
}

/// A shop whose lists are read.
pub(super) struct Listed {
    pub(super) platform: &'static dyn SimulatedPlatform,
    shop: Shop,
    pub(super) simulator: Simulator,
    /// By the number of the product.
    pub(super) items: Vec<ItemIds>,
    connection: Option<ConnectionId>,
    seconds: Option<f64>,
    objects: u64,
}

pub(crate) async fn run(arguments: SyncBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    output::progress("starting a broker and a database of its own");
    let servers = Servers::start_on_slow_disk(scratch.path(), None).await?;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    print(&measured?, output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &SyncBench) -> Result<Report, Failed> {
    let store_id = numbering::store_id(0);
    provision::store(&servers.store, &store_id).await?;
    let thread = LoadThread::start()?;
    output::progress(&format!("putting {} products on sale in each shop", arguments.products));
    let mut shops = Vec::new();
    for name in &arguments.platforms {
        shops.push(open(&thread, name, arguments.products).await?);
    }
    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let reads = ScheduledReads { every_seconds: arguments.every_seconds, ..ScheduledReads::default() };
    let composition = Composition::OnePass;
    let services = Services::start(servers, metrics, listener, http::config(), composition, reads).await?;

    output::progress("connecting the shops");
    let machine = MachineBefore::look(scratch.path(), 0)?;
    let (nats, postgres, memory) = (servers.nats.pid(), servers.postgres.pid(), peak_memory_mib());
    let (before, load_before) = (CpuSeconds::now(nats, postgres), thread.cpu_seconds().await?);
    let began = Instant::now();
    for listed in &mut shops {
        let is_written = arguments.sales > 0 && listed.is_writable();
        listed.connect(servers, &store_id, &format!("http://{address}"), is_written).await?;
    }
    until_read(servers, &mut shops, began).await?;
    let seconds = began.elapsed().as_secs_f64();
    let load_seconds = thread.cpu_seconds().await? - load_before;
    let cpu = CpuSeconds::now(nats, postgres).since(before).with_load(load_seconds);
    let machine = machine.since();
    let platforms: Vec<_> = shops.iter().map(Listed::report).collect();
    let day = match arguments.sales {
        0 => None,
        _ => Some(day::measure(&thread, servers, &shops, arguments).await?),
    };
    services.stop().await?;
    let objects: u64 = shops.iter().map(|listed| listed.objects).sum();
    let count = figure(usize::try_from(objects).unwrap_or(usize::MAX));
    Ok(Report {
        bench: "sync",
        products: arguments.products,
        seconds,
        cpu_us_per_object: (cpu.ours + cpu.broker + cpu.database) * 1e6 / count,
        memory_before_mib: memory,
        peak_memory_mib: peak_memory_mib(),
        platforms,
        day,
        machine,
    })
}

/// Opens a shop with that many products. The same product has the same SKU in every shop.
async fn open(thread: &LoadThread, name: &str, products: u32) -> Result<Listed, Failed> {
    let is_listed = platforms::find(name).is_some_and(|platform| platform.collections().is_some());
    let found = simulator::all().find(|simulated| simulated.name() == name).filter(|_| is_listed);
    let platform = found.ok_or_else(|| Failed::Usage(format!("{name} has no lists that are read")))?;
    let shop = Shop {
        platform: platform.name(),
        account: format!("account-of-{name}"),
        token: provision::secret(),
        webhook_secret: provision::secret(),
        webhook_url: None,
        currency: "USD".to_owned(),
        locations: vec![platform.samples().location.to_owned()],
    };
    let opened = shop.clone();
    let started = thread.run(async move { Ok(Simulator::start(SimulatorOptions::default(), opened).await) });
    let failed = |error| Failed::Other(format!("the simulator of {name} can't start: {error}"));
    let simulator = started.await?.map_err(failed)?;
    let mut items = Vec::new();
    for number in 0..products {
        let sku = numbering::sku(0, number);
        let variant = NewVariant::stocked(&sku, PRICE_MINOR, PIECES, &shop.locations);
        let added = simulator.shop().add_product(&format!("Product {number}"), &[variant]);
        items.extend(added.map_err(|error| Failed::Other(format!("{name} can't be stocked: {error}")))?);
    }
    Ok(Listed { platform, shop, simulator, items, connection: None, seconds: None, objects: 0 })
}

impl Listed {
    /// Returns true if levels can be written to the platform.
    pub(super) fn is_writable(&self) -> bool {
        let platform = platforms::find(self.platform.name());
        platform.is_some_and(|platform| platform.write_limits(MirrorKind::Inventory).is_some())
    }

    async fn connect(
        &mut self,
        servers: &Servers,
        store_id: &str,
        ingest_url: &str,
        is_written: bool,
    ) -> Result<(), Failed> {
        let wanted = Wanted {
            platform: self.platform.name(),
            base_url: self.simulator.base_url(),
            token: self.platform.client_token(&self.shop),
            account: self.shop.account.clone(),
            secret: self.shop.webhook_secret.clone(),
            locations: self.shop.locations.clone(),
            rules: Rules { propagate_inventory: is_written, ..provision::READ_ONLY },
        };
        let running = provision::connection(&servers.store, store_id, ingest_url, wanted).await?;
        self.simulator.set_webhook(&running.webhook_url);
        self.connection =
            Some(ConnectionId::new(&running.id).map_err(|error| Failed::Other(error.to_string()))?);
        Ok(())
    }

    /// Notes the objects that were read so far, and the time at which the last list was complete.
    async fn look(&mut self, servers: &Servers, began: Instant) -> Result<(), Failed> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let rows = servers.store.collections(connection).await?;
        let lists = rows.iter().filter(|row| LISTS.contains(&row.collection.as_str()));
        let (mut objects, mut is_complete) = (0, !rows.is_empty());
        for row in lists {
            let reads = [row.state.last.as_ref().map(|ended| &ended.read), row.state.read.as_ref()];
            objects += reads.into_iter().flatten().map(|read| read.seen).max().unwrap_or(0);
            is_complete &= row.state.complete_at.is_some();
        }
        self.objects = objects.max(self.objects);
        if is_complete {
            self.seconds.get_or_insert_with(|| began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn report(&self) -> PlatformReport {
        let (_, calls) = self.simulator.shop().calls_since(u64::MAX);
        let (seconds, objects) = (self.seconds.unwrap_or_default(), self.objects);
        PlatformReport { platform: self.platform.name(), seconds, objects, calls }
    }
}

/// Waits until every list is complete and each accepted delivery has its outcome.
async fn until_read(servers: &Servers, shops: &mut [Listed], began: Instant) -> Result<(), Failed> {
    let (mut state, mut changed) = ((0, 0), Instant::now());
    loop {
        sleep(LOOK_EVERY).await;
        for listed in &mut *shops {
            listed.look(servers, began).await?;
        }
        let in_flight = servers.store.in_flight().await?;
        if in_flight == 0 && shops.iter().all(|listed| listed.seconds.is_some()) {
            return Ok(());
        }
        let now = (shops.iter().map(|listed| listed.objects).sum::<u64>(), in_flight);
        if now != state {
            (state, changed) = (now, Instant::now());
        } else if changed.elapsed() > STALLED {
            let (objects, _) = state;
            return Err(Failed::Other(format!(
                "after {objects} objects nothing went on; {in_flight} deliveries are in flight"
            )));
        }
    }
}

fn print(report: &Report, output: Output) -> Result<(), Failed> {
    if output == Output::Json {
        let value = serde_json::to_value(report).map_err(|error| Failed::Other(error.to_string()))?;
        output::json(&value);
        return Ok(());
    }
    let Report { products, seconds, cpu_us_per_object, memory_before_mib, peak_memory_mib, .. } = report;
    output::line(&format!("sync: {products} products in each shop, in the record after {seconds:.1} s"));
    output::line(&format!("  CPU per object: {cpu_us_per_object:.0} µs"));
    output::line(&format!(
        "  memory of our process, the shops included: {peak_memory_mib} MiB at most, {memory_before_mib} before"
    ));
    let mut table = Table::new([left("platform"), right("seconds"), right("objects"), right("calls")]);
    for PlatformReport { platform, seconds, objects, calls } in &report.platforms {
        let row = [(*platform).to_owned(), format!("{seconds:.1}"), objects.to_string(), calls.to_string()];
        table.row(row);
    }
    output::table(table);
    if let Some(day) = &report.day {
        day.lines().iter().for_each(|line| output::line(line));
    }
    report.machine.lines().iter().for_each(|line| output::line(line));
    Ok(())
}
