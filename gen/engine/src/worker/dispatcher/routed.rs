//! Several servers: each request goes to the node of its slot.

use super::{Base, Dispatcher};
use crate::mitigation::Mitigation;
use crate::store::cache_aside::CacheAside;
use crate::units::Nanos;
use crate::worker::connection::Connection;
use crate::worker::fan_out::FanOut;
use crate::worker::intervals::Intervals;
use crate::worker::router::Router;
use crate::worker::settings::{Requests, RoutedSettings, Settings};

/// How requests find the nodes of a cluster, or of a list.
#[derive(Debug)]
pub struct Routed {
    /// The way to the nodes.
    pub(super) router: Router,
    /// What is done for hot keys.
    pub(super) mitigation: Option<Mitigation>,
    /// Requests of several keys that are sent key by key.
    pub(super) fan_out: Option<FanOut>,
    /// What follows a read that finds nothing.
    pub(super) cache_aside: Option<CacheAside>,
    /// When the store's answers were looked for last.
    pub(super) looked: Nanos,
    /// The schedule has more for this moment, and nothing else wakes the worker.
    pub(super) hungry: bool,
    /// Connections that carry requests in the closed model.
    pub(super) places: usize,
}

impl Dispatcher<Routed> {
    pub(in crate::worker) fn routed(
        settings: Settings,
        routed: RoutedSettings,
        requests: Requests,
        intervals: Intervals,
    ) -> Self {
        let RoutedSettings { routing, mitigation, cache_aside } = routed;
        let (pool_size, pipeline) = (routing.pool_size(), settings.pipeline);
        let fan_out = FanOut::of(requests.encoder.commands());
        let places = routing.connections;
        let mut router = Router::new(routing);
        router.reserve(fan_out.as_ref().map_or(0, FanOut::most));
        let (looked, hungry) = (Nanos(0), false);
        Self {
            base: Base::new(settings, requests, intervals, |index| {
                Connection::routed(pipeline, index / pool_size)
            }),
            dispatch: Routed { router, mitigation, fan_out, cache_aside, looked, hungry, places },
        }
    }
}
