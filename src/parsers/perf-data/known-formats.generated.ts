// Made by tools/generate-perf-formats.mjs from the format files of Linux 6.1 and 6.12 (x86-64, arm64). Do not edit.
export const KNOWN_FORMATS: readonly { readonly name: string; readonly fields: string }[] = [
  {
    name: 'kvm_exit',
    fields: `field:unsigned short common_type; offset:0; size:2; signed:0;
field:unsigned char common_flags; offset:2; size:1; signed:0;
field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
field:int common_pid; offset:4; size:4; signed:1;
field:unsigned int exit_reason; offset:8; size:4; signed:0;
field:unsigned long guest_rip; offset:16; size:8; signed:0;
field:u32 isa; offset:24; size:4; signed:0;
field:u64 info1; offset:32; size:8; signed:0;
field:u64 info2; offset:40; size:8; signed:0;
field:u32 intr_info; offset:48; size:4; signed:0;
field:u32 error_code; offset:52; size:4; signed:0;
field:unsigned int vcpu_id; offset:56; size:4; signed:0;`,
  },
  {
    name: 'kvm_exit',
    fields: `field:unsigned short common_type; offset:0; size:2; signed:0;
field:unsigned char common_flags; offset:2; size:1; signed:0;
field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
field:int common_pid; offset:4; size:4; signed:1;
field:int ret; offset:8; size:4; signed:1;
field:unsigned int esr_ec; offset:12; size:4; signed:0;
field:unsigned long vcpu_pc; offset:16; size:8; signed:0;`,
  },
  {
    name: 'kvm_entry',
    fields: `field:unsigned short common_type; offset:0; size:2; signed:0;
field:unsigned char common_flags; offset:2; size:1; signed:0;
field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
field:int common_pid; offset:4; size:4; signed:1;
field:unsigned int vcpu_id; offset:8; size:4; signed:0;
field:unsigned long rip; offset:16; size:8; signed:0;
field:bool immediate_exit; offset:24; size:1; signed:0;`,
  },
  {
    name: 'kvm_entry',
    fields: `field:unsigned short common_type; offset:0; size:2; signed:0;
field:unsigned char common_flags; offset:2; size:1; signed:0;
field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
field:int common_pid; offset:4; size:4; signed:1;
field:unsigned long vcpu_pc; offset:8; size:8; signed:0;`,
  },
  {
    name: 'kvm_userspace_exit',
    fields: `field:unsigned short common_type; offset:0; size:2; signed:0;
field:unsigned char common_flags; offset:2; size:1; signed:0;
field:unsigned char common_preempt_count; offset:3; size:1; signed:0;
field:int common_pid; offset:4; size:4; signed:1;
field:__u32 reason; offset:8; size:4; signed:0;
field:int errno; offset:12; size:4; signed:1;`,
  },
];
