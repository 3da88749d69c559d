//! The journal and the restore against real files, in both journal modes, with a service that keeps its connection open.

mod fixture;
mod life;
mod rows;
