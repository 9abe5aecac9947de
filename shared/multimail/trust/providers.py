"""Public mail providers: domains at which anybody can have an address.

An authenticated message proves that its domain vouches for the sender. At a public provider that
says nothing of the other people there, so such a domain is never an organisation.
"""

from __future__ import annotations

PUBLIC_PROVIDERS = frozenset(
    """
    126.com 139.com 163.com 189.cn alice.it aliyun.com aol.com arcor.de att.net bellsouth.net
    bigpond.com blueyonder.co.uk bluewin.ch bt.com btinternet.com centrum.cz charter.net
    comcast.net cox.net daum.net docomo.ne.jp duck.com earthlink.net email.com email.cz
    ezweb.ne.jp fastmail.com fastmail.fm foxmail.com free.fr freemail.hu freenet.de frontier.com
    gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com home.nl
    hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com
    i.softbank.jp icloud.com iinet.net.au inbox.com inbox.lv interia.pl juno.com kakao.com
    kpnmail.nl laposte.net libero.it list.ru live.ca live.co.uk live.com live.fr live.nl mac.com
    mail.bg mail.com mail.de mail.ru mailbox.org mailfence.com mailinator.com me.com msn.com
    nate.com naver.com neuf.fr ntlworld.com o2.pl onet.pl online.de online.no op.pl optonline.net
    optusnet.com.au orange.fr outlook.com outlook.de outlook.fr outlook.jp pm.me pobox.com
    posteo.de posteo.net proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com
    riseup.net rocketmail.com rogers.com runbox.com sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca
    sina.cn sina.com singnet.com.sg sky.com skynet.be snkmail.com softbank.ne.jp sohu.com
    startmail.com sympatico.ca t-online.de talktalk.net telenet.be telia.com telus.net
    terra.com.br tiscali.it tom.com tuta.com tuta.io tutamail.com tutanota.com tutanota.de ukr.net
    uol.com.br verizon.net virgilio.it virginmedia.com vodafone.de vodafone.it wanadoo.fr web.de
    windowslive.com wp.pl xs4all.nl xtra.co.nz ya.ru yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr
    yahoo.in yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com zohomail.com
    """.split()  # noqa: SIM905
)
