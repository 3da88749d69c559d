//! The canonical form against brute force, and the ways to merge wrongly that were met.

mod brute_force;
mod small_world;
mod traps;
