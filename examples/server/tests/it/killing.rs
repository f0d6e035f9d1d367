//! Server and replicas killed at random moments, over and over.
//!
//! Replicas run as processes of their own: this very test binary, told by the environment to be one. Each writes and syncs
//! without end, and says on its standard output what has been acknowledged to it: `open`, `written` and `stored`, each with the
//! seq of the last bundle for which that is true.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use syncline::replica::Outcome;
use syncline::{Dot, Replica, ReplicaId, Seq, Storage};
use syncline_http::HttpTransport;
use syncline_sqlite::SqliteStorage;

use crate::world::{Home, compose, note, notes, replica};

/// Rounds, in each of which the server and both replicas are killed: more than a hundred kills.
const ROUNDS: usize = 36;
/// Lines of a replica after which something is killed, at most.
const LINES_MAX: u64 = 24;
/// Replicas that run.
const WRITERS: [u8; 2] = [1, 2];
/// What a replica process is told: the number of the replica, its file, the server's address, its token.
const TOLD: [&str; 4] = ["TEST_WRITER", "TEST_WRITER_FILE", "TEST_WRITER_URL", "TEST_WRITER_TOKEN"];

/// The greatest seqs that a replica was told to be safe.
#[derive(Debug, Default, Clone, Copy)]
struct Acknowledged {
    written: u64,
    stored: u64,
}

impl Acknowledged {
    /// Takes note of a line. A replica that opens must have what it had written.
    fn hear(&mut self, line: &str) {
        match line.split_once(' ').map(|(what, seq)| (what, seq.parse::<u64>())) {
            Some(("open", Ok(seq))) => assert!(seq >= self.written, "{seq} of {self:?} are left"),
            Some(("written", Ok(seq))) => self.written = seq,
            Some(("stored", Ok(seq))) => self.stored = seq,
            _ => {}
        }
    }
}

#[tokio::test]
async fn whatever_is_killed_whenever_nothing_acknowledged_is_lost_and_nothing_needs_repair() {
    let home = Home::new();
    home.set_up();
    home.ok("device add ann phone");
    let tokens = ["laptop", "phone"].map(|device| home.ok(&format!("token create ann {device}")).trim().to_owned());
    let mut known = [Acknowledged::default(); 2];
    let mut chance = Chance(0x5eed);
    for _ in 0..ROUNDS {
        let serving = home.serve();
        let mut writers = [0, 1].map(|index| Writer::start(&home, WRITERS[index], &serving.url(), &tokens[index]));
        let first = chance.below(2) as usize;
        writers[first].hear(&mut known[first], chance.below(LINES_MAX));
        if chance.below(2) == 0 {
            serving.kill();
            writers[1 - first].hear(&mut known[1 - first], chance.below(LINES_MAX));
        } else {
            writers[1 - first].hear(&mut known[1 - first], chance.below(LINES_MAX));
            serving.kill();
        }
        for (writer, known) in writers.into_iter().zip(&mut known) {
            writer.kill(known);
        }
    }
    assert!(known.iter().all(|known| known.stored > 0 && known.written > 0), "{known:?}");
    converged(&home, &tokens, known).await;
}

/// Lets everybody sync once more, and checks that all have all of it.
async fn converged(home: &Home, tokens: &[String; 2], known: [Acknowledged; 2]) {
    let serving = home.serve();
    assert!(home.ok("verify").starts_with("space notes: whole: "));
    let fresh = replica(9).await;
    fresh.sync(&serving.transport(&tokens[0])).await.unwrap();
    let heads = fresh.store().status().await.unwrap().heads;
    for (writer, known) in WRITERS.into_iter().zip(known) {
        assert!(heads.get(id(writer)).seq.get() >= known.stored, "{known:?}");
    }
    let mut logs = vec![fresh];
    for (writer, token) in WRITERS.into_iter().zip(tokens) {
        let writer = open(writer, &home.path(&format!("{writer}.sqlite"))).await;
        writer.sync(&serving.transport(token)).await.unwrap();
        logs.push(writer);
    }
    for (replica, token) in logs.iter().zip([&tokens[0], &tokens[0], &tokens[1]]) {
        replica.sync(&serving.transport(token)).await.unwrap();
    }
    let expected = logs[0].store().status().await.unwrap().heads;
    for (log, known) in logs[1..].iter().zip(known) {
        let heads = log.store().status().await.unwrap().heads;
        assert_eq!(heads, expected);
        assert!(heads.get(log.id().await).seq.get() >= known.written, "{known:?}");
    }
}

/// A replica that runs in a process of its own.
struct Writer {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Writer {
    fn start(home: &Home, number: u8, url: &str, token: &str) -> Self {
        let file = home.path(&format!("{number}.sqlite"));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killing::a_replica_that_is_told_to_writes_without_end", "--nocapture"]);
        let told = [number.to_string(), file.display().to_string(), url.to_owned(), token.to_owned()];
        command.envs(TOLD.into_iter().zip(told)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits for so many lines.
    fn hear(&mut self, known: &mut Acknowledged, lines: u64) {
        for _ in 0..lines {
            known.hear(&self.lines.next().expect("a writer never ends by itself").unwrap());
        }
    }

    fn kill(mut self, known: &mut Acknowledged) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // What it had said before is true all the same; its last line may be cut off, so it counts only if it is whole.
        let rest: Vec<_> = self.lines.map_while(Result::ok).collect();
        rest.iter().rev().skip(1).rev().for_each(|line| known.hear(line));
    }
}

/// Not a test by itself: what the processes above run.
#[tokio::test]
async fn a_replica_that_is_told_to_writes_without_end() {
    let Ok([number, file, url, token]) = TOLD.map(std::env::var).into_iter().collect::<Result<Vec<_>, _>>().map(four)
    else {
        return;
    };
    let replica = open(number.parse().unwrap(), std::path::Path::new(&file)).await;
    let transport = HttpTransport::builder(&url, &token).attempts(1).build().unwrap();
    let own = id(number.parse().unwrap());
    let mut seq = replica.store().status().await.unwrap().heads.get(own).seq;
    say("open", seq);
    loop {
        for _ in 0..=seq.get() % 3 {
            seq = replica.write(&[note("one"), note("two")]).await.unwrap().dot.seq;
            say("written", seq);
        }
        // The server may be gone: then it is written on, offline.
        let synced = replica.sync(&transport).await.is_ok();
        if synced && replica.outcome(Dot { origin: own, seq }).await.unwrap() == Outcome::Stored {
            say("stored", seq);
        }
    }
}

fn four(told: Vec<String>) -> [String; 4] {
    told.try_into().unwrap()
}

fn say(what: &str, seq: Seq) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {seq}").and_then(|()| out.flush()).unwrap();
}

fn id(number: u8) -> ReplicaId {
    ReplicaId::from_bytes([number; 16]).unwrap()
}

async fn open(number: u8, file: &std::path::Path) -> Replica {
    let store = SqliteStorage::at(file).unwrap().open(&notes()).await.unwrap();
    compose(store).open(id(number)).await.unwrap()
}

/// Random numbers that are the same in every run: the moments are random enough by themselves.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
