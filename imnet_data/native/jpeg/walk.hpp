// Where the blocks of entropy-coded data are, or only whether it is sound, found by stepping over its
// symbols: a yes is certain, and costs less than decoding; where it is no, JpegDecoder finds the
// place.
//
// Restart intervals are walked three at a time. A scan without any is walked from three places at
// once, two of which are guesses that the start of an MCU is there. Huffman codes fall into step by
// themselves: a walk that comes by and meets a block's end of the guessed one, at the same bit and
// of the same block of an MCU, would go on as that did, so it takes over from where that has come.
//
// Source: Klein, Wiseman, The Computer Journal 46 (5), 2003 (parallel decoding of Huffman codes).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/skip.hpp"
#include "jpeg/tables.hpp"

namespace imnet {

class ScanWalk {  // keeps its tables between images
 public:
  // Takes the tables of header.scan; false where one of them is missing, or is none.
  bool plan(const JpegHeader& header);
  // Whether `mcus` MCUs are in `data`, `interval` of them up to each of `ends` (bytes), the rest up
  // to the last one. The data is unstuffed, and kScanPadding bytes after it can be read, the first
  // of them 0.
  bool sound(const uint8_t* data, const std::vector<size_t>& ends, int64_t interval, int64_t mcus);
  // Whether `mcus` MCUs are in the `nbytes` bytes of `data`, which has no restarts; they are likely
  // to be in the first `likely` ones.
  bool find_blocks(const uint8_t* data, size_t nbytes, int64_t mcus, size_t likely);
  // What find_blocks has found: the first bit of each block, then the one after the last block.
  const uint64_t* starts() const { return starts_.data(); }

  const SkipBlock* ring() const { return ring_.data(); }  // the blocks of an MCU

 private:
  static constexpr int64_t kBlocksAtOnce = 512;  // whose ends fit the first-level cache

  static constexpr size_t kGuessNbytes = 1024;  // of a scan that is worth guessing in
  static constexpr size_t kTailNbytes = 64;      // not walked by guesses: the end is behind the data

  struct Walk {  // what a lane has to do in an interval
    int64_t left = 0;  // blocks
    std::array<uint64_t, kBlocksAtOnce + kSkipSlack> ends;
  };

  bool sound_intervals(const std::vector<size_t>& ends, int64_t interval, int64_t mcus);
  void start(int lane, size_t first, size_t end, int64_t mcus);
  void go_on(int lane);
  bool finish(int lane);  // what was walked; false where it is not sound
  bool finish_alone(int lane);

  void reserve_starts(int64_t blocks);
  void guess(int lane, uint64_t bit, uint64_t limit);
  bool walk_parts(size_t nbytes);
  bool fall_in(int guessed, uint64_t limit);

  SkipFunction skip_ = nullptr;
  const uint8_t* data_ = nullptr;
  TableCache<SkipTable, BlockSpecs> tables_;
  std::array<SkipBlock, kMaxBlocksInMcu> ring_;
  std::array<SkipLane, kSkipLanes> lanes_;
  std::array<Walk, kSkipLanes> walks_;
  std::vector<uint64_t> starts_;  // then room for the ends that the guessed parts have
  std::array<uint64_t*, kSkipLanes> ends_, last_;  // in starts_, for each lane
  int block_count_ = 0;
};

}  // namespace imnet
