//! How many connections each client address has open on an interface, and how many it may have.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The open connections of one interface, by client address.
#[derive(Debug)]
pub struct Seats {
    open: Mutex<HashMap<IpAddr, usize>>,
    max: AtomicUsize,
}

/// One of the connections that a client may have; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    /// So many for each address; 0 is no limit.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), max: AtomicUsize::new(max) })
    }

    /// Sets another limit for connections to come.
    pub fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// A seat for one more connection, unless the address has all it may have.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let max = self.max.load(Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.seats.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = open.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_seats_and_gets_them_back() {
        let seats = Seats::new(2);
        let (one, two): (IpAddr, IpAddr) = ("127.0.0.1".parse().expect("ip"), "127.0.0.2".parse().expect("ip"));
        let taken = [seats.take(one), seats.take(one)];
        assert!(taken.iter().all(Option::is_some) && seats.take(one).is_none() && seats.take(two).is_some());
        seats.set_max(3);
        assert!(seats.take(one).is_some());
        seats.set_max(1);
        drop(taken);
        assert!(seats.take(one).is_some());
        assert!(seats.open.lock().expect("no panic").is_empty(), "nothing is kept of who has left");
    }
}
