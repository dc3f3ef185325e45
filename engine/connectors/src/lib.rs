//! Sources and sinks, each with its options as data: filesystem, datagen, nexmark, print, blackhole.
