//! `contend latency`: the table and the picture.

mod distribution;
mod heatmap;
mod histogram;
mod marks;
mod name;
mod outline;
mod picture;
mod scale;
mod table;

pub(crate) use picture::picture;
pub(crate) use scale::Division;
pub(crate) use table::table;
