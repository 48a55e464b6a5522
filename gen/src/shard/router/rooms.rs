//! Which node has which connections: the rooms, and who moves into one.

use std::net::SocketAddr;
use std::ops::Range;

use super::{Node, Room, Router};
use crate::units::{ConnId, NodeId};

impl Router {
    /// How many rooms there are.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The connections of a room.
    #[must_use]
    pub const fn places(&self, room: usize) -> Range<u32> {
        (room * self.room_size) as u32..((room + 1) * self.room_size) as u32
    }

    /// Whether a connection shall be open: its node has something to do, or may have.
    #[must_use]
    pub fn is_wanted(&self, id: ConnId) -> bool {
        let room = &self.rooms[id.index() / self.room_size];
        let used = id.index() % self.room_size < room.used;
        used && room.node.is_some_and(|node| self.nodes[node.index()].is_wanted())
    }

    /// How many connections shall be open.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let is_wanted =
            |room: &&Room| room.node.is_some_and(|node| self.nodes[node.index()].is_wanted());
        self.rooms.iter().filter(is_wanted).map(|room| room.used).sum()
    }

    /// The address of a room's node.
    #[must_use]
    pub fn address(&self, room: usize) -> Option<SocketAddr> {
        self.rooms[room].node.and_then(|node| self.board.address(node))
    }

    /// A node that wants a room and has none.
    #[must_use]
    pub fn roomless(&self) -> Option<NodeId> {
        let is_roomless = |node: &Node| node.room.is_none() && node.is_wanted();
        self.nodes.iter().position(is_roomless).map(|id| NodeId(id as u16))
    }

    /// A room that can be had: an empty one, else one whose node has nothing to do.
    #[must_use]
    pub fn spare_room(&self) -> Option<usize> {
        let has_none = |room: &Room| room.node.is_none();
        let is_idle =
            |room: &Room| room.node.is_some_and(|node| !self.nodes[node.index()].is_wanted());
        let rooms = &self.rooms;
        rooms.iter().position(has_none).or_else(|| rooms.iter().position(is_idle))
    }

    /// Gives a room to a node.
    pub fn move_in(&mut self, room: usize, node: NodeId) {
        if let Some(before) = self.rooms[room].node.replace(node) {
            self.nodes[before.index()].room = None;
        }
        self.rooms[room].used = self.room_size;
        self.rooms[room].ready.clear();
        self.rooms[room].open = 0;
        self.nodes[node.index()].room = Some(room as u16);
    }
}
