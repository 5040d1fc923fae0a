/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The language is libpcap's, and so is its interpreter: what a filter matches
 * here is what it matches in tcpdump and Wireshark's capture filters.
 *
 * But for one thing. libpcap looks the names of hosts up, which would ask the
 * name servers of whoever runs this about the nodes of a lab, wait for them,
 * and make a verdict depend on the answer. It cannot be told not to, and which
 * words of a filter are names only its grammar knows. The C library can be told
 * not to know any: it then finds no names of hosts and networks. Those of ports
 * and protocols are the same everywhere, and stay.
 */
#include "orchestrator/report/filter.h"

#include "orchestrator/report/report.h"

#include <errno.h>
#include <nss.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_SNAPLEN 262144 /* libpcap's own MAXIMUM_SNAPLEN */

struct filter {
	struct bpf_program program;
	bool compiled;
};

/* There is no such module, so that nobody is asked. Looking for it again and
 * again is what the second call would cause. */
static void forget_names(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	__nss_configure_lookup("hosts", "servalab_knows_none");
	__nss_configure_lookup("networks", "servalab_knows_none");
	__nss_configure_lookup("ethers", "servalab_knows_none");
}

static int refuse(const char *why, struct err *err)
{
	bool named = strncmp(why, "unknown host", 12) == 0 ||
		     strncmp(why, "unknown network", 15) == 0 ||
		     strncmp(why, "unknown ether host", 18) == 0;

	return err_set(err, EINVAL, "not a pcap filter: %s%s", why,
		       named ? "; write its address, which 'servalab plan' "
			       "prints" :
			       "");
}

int filter_compile(const char *text, struct filter **out, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	int r = 0;

	forget_names();
	if (!f || !pcap) {
		r = err_set(err, ENOMEM, "out of memory");
	} else if (pcap_compile(pcap, &f->program, text, 1,
				PCAP_NETMASK_UNKNOWN) != 0) {
		r = refuse(pcap_geterr(pcap), err);
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
