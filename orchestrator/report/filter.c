/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The language is libpcap's, and so is its interpreter: what a filter matches
 * here is what it matches in tcpdump and Wireshark's capture filters.
 */
#include "orchestrator/report/filter.h"

#include "orchestrator/report/report.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#define FILTER_SNAPLEN 262144 /* libpcap's own MAXIMUM_SNAPLEN */

struct filter {
	struct bpf_program program;
	bool compiled;
};

int filter_compile(const char *text, struct filter **out, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	int r = 0;

	if (!f || !pcap) {
		r = err_set(err, ENOMEM, "out of memory");
	} else if (pcap_compile(pcap, &f->program, text, 1,
				PCAP_NETMASK_UNKNOWN) != 0) {
		r = err_set(err, EINVAL, "not a pcap filter: %s",
			    pcap_geterr(pcap));
	} else {
		f->compiled = true;
		*out = f;
		f = NULL;
	}
	if (pcap)
		pcap_close(pcap);
	filter_free(f);
	return r;
}

struct filter *filter_free(struct filter *f)
{
	if (f && f->compiled)
		pcap_freecode(&f->program);
	free(f);
	return NULL;
}

bool filter_matches(const struct filter *f, const uint8_t *frame,
		    uint32_t captured, uint32_t length)
{
	struct pcap_pkthdr header = { .caplen = captured, .len = length };

	return pcap_offline_filter(&f->program, &header, frame) != 0;
}

int report_check_filter(const char *text, struct err *err)
{
	struct filter *f = NULL;
	int r = filter_compile(text, &f, err);

	filter_free(f);
	return r;
}
