// What a JpegDecoder keeps between images, and the image that it is at; included by its sources.
#pragma once

#include <vector>

#include "jpeg/decoder.hpp"
#include "jpeg/scan.hpp"
#include "jpeg/tables.hpp"
#include "jpeg/walk.hpp"
#include "kernels.hpp"

namespace imnet {

struct JpegDecoder::Workspace {
  struct Job {  // one restart interval, or a scan without any
    const uint8_t *begin, *end;  // in the file
    int64_t first, last;         // MCUs
  };

  struct RunStart {  // an MCU of a scan without restart intervals
    int64_t mcu;
    const uint64_t* bit;  // of its first block, in what the walk has found
    int predictions[kMaxComponents];
  };

  // Restart intervals, or rows, that are decoded together: one waits for another only at their end.
  static constexpr size_t kIntervalsTogether = 8;

  TableCache<DcTable> dc_tables;
  TableCache<AcTable> ac_tables;
  ScanPlan plan;
  ScanWalk walk;
  alignas(64) int16_t quant[kMaxComponents][64];
  JpegPlanes planes;
  GrowingBuffer unstuffed;
  std::vector<size_t> ends;  // of the restart intervals in it
  std::vector<Job> waiting;    // intervals of whole rows that are to be decoded together
  std::vector<ScanJob> jobs;   // the same, unstuffed
  const Kernels* use;

  const JpegHeader* header;
  const uint8_t* data;
  size_t nbytes;
  Box box;
  McuRegion region;
  // of the scan at work, in its own MCUs: for one component alone these are single blocks
  int columns, rows;
  McuRegion wanted;
  uint8_t* out;
  ptrdiff_t out_stride;
  int rows_written;
  const uint8_t* scan_end;  // the marker after the data that was read last
  bool streaming;  // rows can be written while the scan is read
  bool keep;       // false: the data is only checked, no samples are made
  bool is_sound;   // that is known beforehand: data is not even checked
  bool walking;    // while it is sound, its symbols are stepped over

  JpegStatus decode(const JpegHeader& of, const Box& part, uint8_t* to, ptrdiff_t stride);
  JpegStatus check(const JpegHeader& of, bool known_sound);
  void start(const JpegHeader& of, const Box& part);
  bool can_be_there() const;
  JpegStatus plan_scan();
  JpegStatus plan_blocks();
  void plan_region();
  JpegStatus decode_scans();
  JpegStatus next_scan(JpegHeader& later, int seen) const;
  JpegStatus decode_scan();
  void pass_scan();
  JpegStatus look_closer();
  bool intervals_are_sound();
  JpegStatus decode_intervals();
  JpegStatus decode_interval(Job job);
  bool decode_runs(const uint8_t* begin, const uint8_t* end);
  void pass_blocks(const uint8_t* begin, int64_t mcu, RunStart& from) const;
  JpegStatus decode_waiting();
  bool decode_together();
  ScanJob unstuffed_job(Job& job, uint8_t* to);
  JpegStatus fault(const ScanStream& stream, const Job& job, const uint8_t* begin) const;
  JpegStatus ends_early(const uint8_t* at) const;
  bool interval_wanted(int64_t first, int64_t last) const;
  void write_rows(int mcu_row);
};

}  // namespace imnet
