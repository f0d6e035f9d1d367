//! Connections, and which of them is closed when places run out.
//!
//! Idle connections are closed first, and of those the ones of the address that has most; then those that are in the middle of
//! a request's headers, or have just connected, if their address has more than the newcomer's. Running requests and streams are
//! kept, because the router bounds them by user. Before places run out, an address keeps as many idle connections as there are
//! free places, so an address that takes everything keeps half of them. A few additional places are for newcomers while
//! another connection closes, and for questions of health, which are always answered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::patience::{Phase, Progress};
use super::seldom::Seldom;

/// Places beyond the last.
const SPARE: usize = 64;
/// Requests that may wait in them, so that the others are left for questions of health.
const WAITING_MAX: usize = SPARE / 2;
/// How long a request waits for a place of its own.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that has sent nothing for this time after connecting counts as idle.
const HASTE: Duration = Duration::from_secs(1);
/// How long to wait before somebody is asked to leave again.
const PAUSE: Duration = Duration::from_millis(100);

/// All connections.
#[derive(Debug)]
pub(super) struct Crowd {
    max: usize,
    seats: Mutex<Seats>,
    /// Tells that somebody has left, or is about to.
    left: Notify,
    seldom: Seldom,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, Seat>,
    /// Of those that are not about to leave, by address.
    staying: BTreeMap<IpAddr, usize>,
    waiting: usize,
}

#[derive(Debug)]
struct Seat {
    address: IpAddr,
    progress: Progress,
    since: Instant,
    leave: Arc<Notify>,
    is_leaving: bool,
}

impl Seats {
    fn count_staying(&self) -> usize {
        self.staying.values().sum()
    }

    fn of(&self, address: IpAddr) -> usize {
        self.staying.get(&address).copied().unwrap_or_default()
    }

    fn no_longer_stays(&mut self, address: IpAddr) {
        match self.staying.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.staying.remove(&address)),
        }
    }

    /// Asks the one to leave whose place is needed least, if there is one; of the idle of one address alone, if that is all that
    /// is asked.
    fn make_room(&mut self, newcomer: IpAddr, only_its_idle: bool) {
        let of_newcomer = self.of(newcomer);
        let rank = |(number, seat): (&u64, &Seat)| {
            let of_address = self.of(seat.address);
            let is_idle = match seat.progress.phase() {
                Phase::Idle => true,
                Phase::New if seat.since.elapsed() > HASTE => true,
                Phase::New | Phase::Head if of_address > of_newcomer => false,
                Phase::New | Phase::Head | Phase::Busy => return None,
            };
            // Among equals the oldest: it has had its time.
            let is_asked = !seat.is_leaving && (!only_its_idle || is_idle && seat.address == newcomer);
            is_asked.then_some((is_idle, of_address, std::cmp::Reverse(*number)))
        };
        let Some((.., std::cmp::Reverse(number))) = self.taken.iter().filter_map(rank).max() else { return };
        let Some(seat) = self.taken.get_mut(&number) else { return };
        seat.is_leaving = true;
        seat.leave.notify_one();
        let address = seat.address;
        self.no_longer_stays(address);
    }
}

impl Crowd {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, seats: Mutex::default(), left: Notify::new(), seldom: Seldom::default() })
    }

    /// A place for a connection from this address. Waits only while everybody is busy, those in the spare places too.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr, progress: &Progress) -> Place {
        loop {
            let left = self.left.notified();
            if let Some(place) = self.try_enter(address, progress) {
                return place;
            }
            // Anyone who was busy may lie idle by now.
            let _ = timeout(PAUSE, left).await;
        }
    }

    fn try_enter(self: &Arc<Self>, address: IpAddr, progress: &Progress) -> Option<Place> {
        let mut seats = self.seats();
        let free = self.max.saturating_sub(seats.count_staying());
        if free == 0 {
            if let Some(times) = self.seldom.again() {
                let max = self.max;
                tracing::warn!(max, times, "all connections are taken; those that lie idle are closed to make room");
            }
            seats.make_room(address, false);
        } else if seats.of(address) >= free {
            seats.make_room(address, true);
        }
        if seats.taken.len() >= self.max.saturating_add(SPARE) {
            return None;
        }
        let (number, leave) = (seats.next, Arc::new(Notify::new()));
        seats.next += 1;
        *seats.staying.entry(address).or_default() += 1;
        let (progress, since) = (progress.clone(), Instant::now());
        let seat = Seat { address, progress, since, leave: leave.clone(), is_leaving: false };
        seats.taken.insert(number, seat);
        Some(Place { crowd: self.clone(), number, leave })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    leave: Arc<Notify>,
}

impl Place {
    /// Waits until the place is needed by somebody else.
    pub(super) fn needed(&self) -> impl Future<Output = ()> + use<> {
        let leave = self.leave.clone();
        async move { leave.notified().await }
    }

    /// Whether a request may be answered: in a spare place it waits until somebody has left.
    pub(super) async fn is_free(&self) -> bool {
        if !self.is_too_many() {
            return true;
        }
        let Some(_waiting) = Waiting::begin(&self.crowd) else { return false };
        let waiting = async {
            loop {
                let left = self.crowd.left.notified();
                if !self.is_too_many() {
                    return;
                }
                let _ = timeout(PAUSE, left).await;
            }
        };
        timeout(PATIENCE, waiting).await.is_ok()
    }

    /// Whether all places are taken by those who came before.
    fn is_too_many(&self) -> bool {
        let mut seats = self.crowd.seats();
        if seats.count_staying() <= self.crowd.max {
            return false;
        }
        let before = seats.taken.range(..self.number).filter(|(_, seat)| !seat.is_leaving).count();
        let Some(address) = seats.taken.get(&self.number).map(|seat| seat.address) else { return true };
        if before >= self.crowd.max {
            seats.make_room(address, false);
        }
        before >= self.crowd.max
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats();
        if let Some(seat) = seats.taken.remove(&self.number)
            && !seat.is_leaving
        {
            seats.no_longer_stays(seat.address);
        }
        drop(seats);
        self.crowd.left.notify_waiters();
    }
}

/// A request that waits in a spare place.
struct Waiting<'a>(&'a Crowd);

impl<'a> Waiting<'a> {
    fn begin(crowd: &'a Crowd) -> Option<Self> {
        let mut seats = crowd.seats();
        (seats.waiting < WAITING_MAX).then(|| {
            seats.waiting += 1;
            Self(crowd)
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.seats().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    async fn enter(crowd: &Arc<Crowd>, last: u8) -> (Place, Progress) {
        let progress = Progress::default();
        (crowd.enter(address(last), &progress).await, progress)
    }

    fn is_needed(place: &Place) -> bool {
        place.needed().now_or_never().is_some()
    }

    #[tokio::test]
    async fn the_idle_of_the_address_that_has_most_leave_first_and_the_oldest_of_those() {
        let crowd = Crowd::new(4);
        let mut places = Vec::new();
        for last in [1, 2, 1, 1] {
            places.push(enter(&crowd, last).await);
        }
        places.iter().for_each(|(_, progress)| progress.idle());
        // The oldest of the three is busy.
        places[0].1.busy();
        let (newcomer, _) = enter(&crowd, 2).await;
        let needed: Vec<_> = places.iter().map(|(place, _)| is_needed(place)).collect();
        assert_eq!(needed, [false, false, true, false]);
        assert!(newcomer.is_free().await, "anyone who is asked to leave counts no more");
    }

    #[tokio::test]
    async fn an_address_keeps_no_more_idle_connections_than_there_are_places_free() {
        let crowd = Crowd::new(100);
        let mut places = Vec::new();
        for _ in 0..90 {
            let (place, progress) = enter(&crowd, 1).await;
            progress.idle();
            places.push(place);
            places.retain(|place| !is_needed(place));
        }
        assert_eq!(places.len(), 50);
        let (_other, _) = enter(&crowd, 2).await;
        assert!(!places.iter().any(is_needed));
    }

    #[tokio::test]
    async fn who_is_about_to_ask_leaves_only_for_an_address_that_has_less() {
        let crowd = Crowd::new(2);
        let places = [enter(&crowd, 1).await, enter(&crowd, 1).await];
        for (_, progress) in &places {
            progress.heard();
        }
        let (_same, progress) = enter(&crowd, 1).await;
        progress.heard();
        assert!(!places.iter().any(|(place, _)| is_needed(place)));
        let _other = enter(&crowd, 2).await;
        assert!(is_needed(&places[0].0));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_busy_a_newcomer_is_let_in_waits_and_is_told() {
        let crowd = Crowd::new(1);
        let (first, progress) = enter(&crowd, 1).await;
        progress.busy();
        let (second, waits) = enter(&crowd, 2).await;
        waits.busy();
        assert!(!second.is_free().await);
        progress.idle();
        assert!(second.is_free().await && is_needed(&first));
        drop(first);
        assert!(second.is_free().await);
    }

    #[tokio::test(start_paused = true)]
    async fn spare_places_come_to_an_end_and_are_given_out_again() {
        let crowd = Crowd::new(1);
        let mut all = Vec::new();
        for _ in 0..=SPARE {
            let (place, progress) = enter(&crowd, 1).await;
            progress.busy();
            all.push(place);
        }
        assert!(timeout(PATIENCE, enter(&crowd, 2)).await.is_err());
        all.pop();
        enter(&crowd, 2).await;
        drop(all);
        let seats = crowd.seats();
        assert_eq!((seats.taken.len(), seats.staying.len(), seats.waiting), (0, 0, 0));
    }
}
