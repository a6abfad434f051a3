// The restart intervals of a scan, and a scan that has none as one of them.
#include <algorithm>
#include <cstring>

#include "jpeg/workspace.hpp"

namespace imnet {
namespace {

constexpr const char* kBadCode = "image data has a code that cannot be there";

// The place in the file of an unstuffed byte.
size_t stuffed_offset(const uint8_t* data, size_t offset, size_t end, ptrdiff_t unstuffed) {
  for (; unstuffed > 0 && offset < end; --unstuffed)
    offset += data[offset] == 0xFF && offset + 1 < end && data[offset + 1] == 0 ? 2 : 1;
  return std::min(offset, end);
}

}  // namespace

bool JpegDecoder::Workspace::intervals_are_sound() {
  const uint8_t* const end = data + nbytes;
  const uint8_t* at = data + header->scan.data_offset;
  uint8_t* const begin = unstuffed.reserve((end - at) + kScanPadding);
  uint8_t* next = begin;
  const int64_t interval = header->restart_interval, mcus = int64_t(columns) * rows;
  ends.clear();
  for (int64_t first = 0; first < mcus; first += interval) {
    if (first > 0) {
      while (end - at >= 2 && at[1] == 0xFF) ++at;  // fill bytes
      if (end - at < 2 || at[1] != 0xD0 + ((ends.size() - 1) & 7)) return false;
      at += 2;
    }
    next += use->unstuff(at, end, next, &at);
    ends.push_back(next - begin);
  }
  std::memset(next, 0, kScanZeros);
  scan_end = at;
  return walk.sound(begin, ends, interval, mcus);
}

JpegStatus JpegDecoder::Workspace::decode_intervals() {
  if (walking) {
    if (intervals_are_sound()) return {};
    if (const JpegStatus status = look_closer(); !status) return status;
  }
  const int64_t interval = header->restart_interval;
  const int64_t last_wanted = int64_t(columns) * (wanted.lower - 1) + wanted.right;
  const uint8_t* const end = data + nbytes;
  const uint8_t* at = data + header->scan.data_offset;
  const bool together = streaming && keep && columns % interval == 0;
  int number = 0;
  waiting.clear();
  for (int64_t first = 0; first < last_wanted; first += interval) {
    if (first > 0) {
      if (const JpegStatus status = pass_restart(data, nbytes, number, at); !status) {
        const JpegStatus before = decode_waiting();  // what is damaged first is what is told
        return before ? status : before;
      }
      number = (number + 1) & 7;
    }
    const uint8_t* const stop = use->next_marker(at, end);
    const int64_t last = std::min(first + interval, int64_t(columns) * rows);
    if (interval_wanted(first, last)) {
      const Job job = {at, stop, first, last};
      if (together) waiting.push_back(job);
      const JpegStatus status = together ? JpegStatus() : decode_interval(job);
      if (!status) return status;
    }
    at = stop;
    if (last % columns != 0 || waiting.size() < kIntervalsTogether) continue;
    if (const JpegStatus status = decode_waiting(); !status) return status;
    write_rows(int(last / columns));
  }
  return decode_waiting();
}

// The unstuffed data of an interval within a row.
ScanJob JpegDecoder::Workspace::unstuffed_job(Job& job, uint8_t* to) {
  uint8_t* const end = to + use->unstuff(job.begin, job.end, to, &job.end);
  std::memset(end, 0, kScanZeros);
  scan_end = job.end;
  ScanJob made;
  made.stream.start(to, end);
  made.run.row = int(job.first / columns);
  made.run.column = int(job.first % columns);
  made.run.count = int(std::min<int64_t>(wanted.right - made.run.column, job.last - job.first));
  made.run.wanted = true;
  return made;
}

bool JpegDecoder::Workspace::decode_together() {
  size_t room = kScanHeadroom + kScanPadding;
  for (const Job& job : waiting) room += size_t(job.end - job.begin) + kScanZeros;
  uint8_t* to = unstuffed.reserve(room) + kScanHeadroom;
  jobs.clear();
  for (Job& job : waiting) {
    jobs.push_back(unstuffed_job(job, to));
    to += (jobs.back().stream.end - to) + kScanZeros;
  }
  if (!use->scan_lanes(plan, jobs.data(), int(jobs.size()))) return false;
  return std::all_of(jobs.begin(), jobs.end(), [](const ScanJob& job) {
    return job.stream.overrun(job.stream.end) <= 0;
  });
}

// Where one of them is damaged, each is decoded by itself, to find the place.
JpegStatus JpegDecoder::Workspace::decode_waiting() {
  const bool sound = waiting.empty() || decode_together();
  for (size_t i = 0; !sound && i < waiting.size(); ++i)
    if (const JpegStatus status = decode_interval(waiting[i]); !status) return status;
  waiting.clear();
  return {};
}

bool JpegDecoder::Workspace::interval_wanted(int64_t first, int64_t last) const {
  const int64_t row = first / columns, last_row = (last - 1) / columns;
  if (last_row < wanted.upper || row >= wanted.lower) return false;
  if (row != last_row) return true;
  return first - row * columns < wanted.right && last - row * columns > wanted.left;
}

JpegStatus JpegDecoder::Workspace::decode_interval(Job job) {
  uint8_t* const begin =
      unstuffed.reserve(kScanHeadroom + (job.end - job.begin) + kScanPadding) + kScanHeadroom;
  uint8_t* const end = begin + use->unstuff(job.begin, job.end, begin, &job.end);
  std::memset(end, 0, kScanZeros);
  scan_end = job.end;
  if (walking) {
    ends.assign(1, end - begin);
    if (walk.sound(begin, ends, job.last, job.last)) return {};
    if (const JpegStatus status = look_closer(); !status) return status;
  }
  if (keep && header->restart_interval == 0 && decode_runs(begin, end)) return {};
  ScanStream stream;
  stream.start(begin, end);
  for (int64_t first = job.first; first < job.last;) {
    ScanRun run;
    run.row = int(first / columns);
    run.column = int(first % columns);
    const bool last_row = run.row == wanted.lower - 1 || job.last <= first - run.column + columns;
    const int64_t stop = last_row ? wanted.right : columns;
    run.count = int(std::min(stop - run.column, job.last - first));
    if (run.row >= wanted.lower || run.count <= 0) break;
    run.wanted = keep && run.row >= wanted.upper;
    if (streaming && keep) write_rows(run.row);
    if (!use->scan(plan, stream, run)) return fault(stream, job, begin);
    first += run.count;
  }
  if (stream.overrun(begin) > 0) return fault(stream, job, begin);
  return {};
}

// For libjpeg, any number of FF before the stuffed zero are one byte of data.
JpegStatus JpegDecoder::Workspace::ends_early(const uint8_t* at) const {
  const uint8_t* const end = data + nbytes;
  const uint8_t* next = at;
  while (end - next >= 2 && next[1] == 0xFF) ++next;
  if (next > at && end - next >= 2 && next[1] == 0) return unsupported(kFilledData, at - data);
  return damaged(kEndsEarly, at - data);
}

JpegStatus JpegDecoder::Workspace::fault(const ScanStream& stream, const Job& job,
                                         const uint8_t* begin) const {
  if (stream.overrun(begin) > 0) return ends_early(job.end);
  const ptrdiff_t used = stream.reader.next - begin - ptrdiff_t((stream.reader.count & 63) >> 3);
  return damaged(kBadCode, stuffed_offset(data, job.begin - data, job.end - data, used));
}

void JpegDecoder::Workspace::write_rows(int mcu_row) {
  const int ready = planes.rows_ready(mcu_row);
  if (ready <= rows_written) return;
  planes.write(rows_written, ready, out + (rows_written - box.upper) * out_stride, out_stride);
  rows_written = ready;
}

}  // namespace imnet
