#include "jpeg/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "jpeg/scan.hpp"
#include "jpeg/tables.hpp"
#include "jpeg/walk.hpp"
#include "kernels.hpp"

namespace imnet {
namespace {

constexpr const char* kBadCode = "image data has a code that cannot be there";

// Restart intervals that are decoded together: one waits for another only at their end.
constexpr size_t kIntervalsTogether = 8;

// The place in the file of an unstuffed byte.
size_t stuffed_offset(const uint8_t* data, size_t offset, size_t end, ptrdiff_t unstuffed) {
  for (; unstuffed > 0 && offset < end; --unstuffed)
    offset += data[offset] == 0xFF && offset + 1 < end && data[offset + 1] == 0 ? 2 : 1;
  return std::min(offset, end);
}

}  // namespace

struct JpegDecoder::Workspace {
  struct Job {  // one restart interval, or a scan without any
    const uint8_t *begin, *end;  // in the file
    int64_t first, last;         // MCUs
  };

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
  JpegStatus decode_waiting();
  bool decode_together();
  ScanJob unstuffed_job(Job& job, uint8_t* to);
  JpegStatus fault(const ScanStream& stream, const Job& job, const uint8_t* begin) const;
  JpegStatus ends_early(const uint8_t* at) const;
  bool interval_wanted(int64_t first, int64_t last) const;
  void write_rows(int mcu_row);
};

JpegDecoder::JpegDecoder() : work_(std::make_unique<Workspace>()) {}
JpegDecoder::~JpegDecoder() = default;

JpegStatus JpegDecoder::open(const uint8_t* data, size_t nbytes, uint64_t max_pixels) {
  JpegStatus status = open_any(data, nbytes, max_pixels);
  if (status) status = header_.decodable();
  return status ? header_.irregular : status;
}

JpegStatus JpegDecoder::open_any(const uint8_t* data, size_t nbytes, uint64_t max_pixels) {
  data_ = data;
  nbytes_ = nbytes;
  is_packed_ = is_packed(data, nbytes);
  JpegStatus status;
  if (is_packed_) status = packed_file_.read(data, nbytes);
  if (status) status = read_any_header(data, nbytes, header_);
  if (is_packed_ && !status) return status;
  // a header that breaks the standard may be read by other decoders in their own way
  if (!status) return {JpegCode::unsupported, status.text, status.offset};
  if (uint64_t(header_.width) * uint64_t(header_.height) > max_pixels)
    return {JpegCode::too_large, "more pixels than allowed", 0};
  return {};
}

JpegStatus JpegDecoder::decode(const Box& box, uint8_t* out, ptrdiff_t out_stride) {
  if (!box_within(box, header_.width, header_.height))
    return bad_box();
  if (is_packed_) return packed_.decode(packed_file_, header_, box, out, out_stride);
  work_->data = data_;
  work_->nbytes = nbytes_;
  return work_->decode(header_, box, out, out_stride);
}

JpegStatus JpegDecoder::check(bool is_sound) {
  if (is_packed_) return packed_.check(packed_file_, header_);
  work_->data = data_;
  work_->nbytes = nbytes_;
  return work_->check(header_, is_sound);
}

void JpegDecoder::Workspace::start(const JpegHeader& of, const Box& part) {
  header = &of;
  box = part;
  region = McuRegion(*header, box);
  use = &kernels();
}

// Each block takes two bits at least: no memory for images whose data cannot be there.
bool JpegDecoder::Workspace::can_be_there() const {
  int64_t blocks = 0;
  for (int i = 0; i < header->component_count; ++i)
    blocks += header->component_count == 1 ? 1 : header->components[i].h * header->components[i].v;
  return blocks * header->mcu_columns() * (region.lower - 1) <= 4 * int64_t(nbytes);
}

JpegStatus JpegDecoder::Workspace::decode(const JpegHeader& of, const Box& part, uint8_t* to,
                                          ptrdiff_t stride) {
  start(of, part);
  keep = true;
  is_sound = false;
  out = to;
  out_stride = stride;
  rows_written = box.upper;
  if (!can_be_there()) return damaged(kEndsEarly, nbytes);
  planes.plan(*header, box, region);
  return decode_scans();
}

JpegStatus JpegDecoder::Workspace::check(const JpegHeader& of, bool known_sound) {
  start(of, {0, 0, of.width, of.height});
  keep = false;
  is_sound = known_sound;
  return can_be_there() ? decode_scans() : damaged(kEndsEarly, nbytes);
}

JpegStatus JpegDecoder::Workspace::plan_scan() {
  const JpegScan& now = header->scan;
  for (int i = 0; i < now.count; ++i)
    if (!header->quant_defined[header->components[now.component[i]].quant])
      return damaged("a quantisation table is missing", now.sos_offset);
  plan_region();
  if (is_sound) return {};
  walking = !keep && walk.plan(*header);
  return walking ? JpegStatus() : plan_blocks();
}

JpegStatus JpegDecoder::Workspace::plan_blocks() {
  const JpegScan& now = header->scan;
  dc_tables.start_scan();
  ac_tables.start_scan();
  plan.block_count = 0;
  const bool alone = now.count == 1;
  for (int i = 0; i < now.count; ++i) {
    const int which = now.component[i];
    const JpegComponent& part = header->components[which];
    const DcTable* dc = dc_tables.get(header->dc[now.dc[i]]);
    const AcTable* ac = ac_tables.get(header->ac[now.ac[i]]);
    if (dc == nullptr || ac == nullptr)
      return damaged("a Huffman table is missing, or is none", now.sos_offset);
    for (int k = 0; k < 64; ++k)
      quant[which][kZigzagPlaces[k]] = int16_t(header->quant[part.quant][k]);
    const int h = alone ? 1 : part.h, v = alone ? 1 : part.v;
    for (int y = 0; y < v; ++y)
      for (int x = 0; x < h; ++x) {
        ScanBlock& block = plan.blocks[plan.block_count++];
        block = {dc, ac, quant[which], nullptr, 0, 0, 0, which};
        if (!keep) continue;
        const Plane& plane = planes.plane(which);
        block.stride = plane.stride;
        block.column_step = 8 * h;
        block.row_step = 8 * v * plane.stride;
        block.samples = plane.samples - plane.left - plane.upper * plane.stride +
                        8 * (x + y * plane.stride);
      }
  }
  plan.first_column = wanted.left;
  plan.last_column = wanted.right;
  return {};
}

void JpegDecoder::Workspace::plan_region() {
  const JpegScan& now = header->scan;
  wanted = region;
  columns = header->mcu_columns();
  rows = header->mcu_rows();
  if (now.count > 1 || header->component_count == 1) return;
  const JpegComponent& part = header->components[now.component[0]];
  columns = (header->component_width(now.component[0]) + 7) / 8;
  rows = (header->component_height(now.component[0]) + 7) / 8;
  wanted.left = region.left * part.h;
  wanted.upper = region.upper * part.v;
  wanted.right = std::min(region.right * part.h, columns);
  wanted.lower = std::min(region.lower * part.v, rows);
}

JpegStatus JpegDecoder::Workspace::decode_scans() {
  streaming = header->scan.count == header->component_count;
  JpegHeader later = *header;
  later.irregular = {};  // open() has judged it
  header = &later;
  JpegStatus status = decode_scan();
  int seen = 0;
  for (;;) {
    if (!status) return status;
    for (int i = 0; i < later.scan.count; ++i) seen |= 1 << later.scan.component[i];
    if (seen + 1 == 1 << later.component_count) break;
    status = next_scan(later, seen);
    if (status) status = decode_scan();
  }
  if (keep) write_rows(region.lower);
  const bool read_all = box.right == header->width && box.lower == header->height;
  return read_all ? later.read_end(data, nbytes, scan_end - data) : status;
}

JpegStatus JpegDecoder::Workspace::next_scan(JpegHeader& later, int seen) const {
  bool found = false;
  const JpegStatus status = later.read_next_scan(data, nbytes, later.scan.data_offset, found);
  if (!status && status.offset == nbytes) return status;
  if (!status) return unsupported(status.text, status.offset);
  if (!found) return unsupported("a component has no scan", nbytes);
  for (int i = 0; i < later.scan.count; ++i)
    if (seen >> later.scan.component[i] & 1)
      return unsupported("a second scan of the same component", later.scan.sos_offset);
  return later.irregular;
}

JpegStatus JpegDecoder::Workspace::decode_scan() {
  const JpegStatus status = plan_scan();
  if (!status) return status;
  if (is_sound) {
    pass_scan();
    return {};
  }
  if (header->restart_interval != 0) return decode_intervals();
  return decode_interval(
      {data + header->scan.data_offset, data + nbytes, 0, int64_t(columns) * rows});
}

void JpegDecoder::Workspace::pass_scan() {
  const uint8_t* const end = data + nbytes;
  scan_end = next_marker(data + header->scan.data_offset, end);
  while (header->restart_interval != 0 && end - scan_end >= 2 && (scan_end[1] & 0xF8) == 0xD0)
    scan_end = next_marker(scan_end + 2, end);
}

// The walk has said that the data is not sound: it is decoded, to find the place.
JpegStatus JpegDecoder::Workspace::look_closer() {
  walking = false;
  return plan_blocks();
}

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
      const JpegStatus status = pass_restart(data, nbytes, number, at);
      if (!status) return status;
      number = (number + 1) & 7;
    }
    const uint8_t* const stop = next_marker(at, end);
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
